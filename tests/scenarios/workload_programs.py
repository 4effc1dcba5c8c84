"""The programs themselves. Each answers every request with its runtime and its process, after a second where it is slow."""

NGINX = f"""
mkdir -p /tmp/nginx && cat > /tmp/nginx/nginx.conf <<END
daemon off; pid nginx.pid; worker_processes 2; events {{}}
http {{
  access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  server {{
    listen [::]:$PORT ipv6only=off;
    location / {{ return 200 "$ROLLOUT_RUNTIME \\$pid\\n"; }}
    location /slow {{ limit_rate 1k; return 200 "$ROLLOUT_RUNTIME \\$pid\\n{" " * 2000}"; }}
  }}
}}
END
exec /usr/sbin/nginx -p /tmp/nginx -e stderr -c nginx.conf
"""
NODE = """
require("http").createServer((request, response) => {
  setTimeout(() => response.end(`${process.env.ROLLOUT_RUNTIME} ${process.pid}\\n`), request.url == "/slow" ? 1000 : 0);
  request.resume();
}).listen(3000);
process.on("SIGTERM", () => process.exit(0));
"""
WEB = """
import http.server, os, signal, socket, sys, threading, time
RUNTIME, PORT, BEGAN = os.environ["ROLLOUT_RUNTIME"], int(os.environ["PORT"]), time.time()
HOW = os.environ.get("HOW", "") if os.environ.get("ONLY_ON", RUNTIME) == RUNTIME else ""
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path in {"/move", "/jump"}:
            threading.Thread(target=move, args=(self.path == "/move",)).start()
        if self.path == "/slow":
            time.sleep(1)
        self.send_response(200); self.end_headers()
        where = f" {BEGAN} {self.server.server_address[1]} {self.server.since}" if self.path == "/where" else ""
        self.wfile.write(f"{RUNTIME} {os.getpid()}{where}\\n".encode())
    do_POST = do_GET
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
    def server_activate(self):
        super().server_activate()
        self.since = time.time()
    def server_bind(self):
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, HOW == "six")
        super().server_bind()
class Six(Server):
    address_family = socket.AF_INET6
def listen(port, address="::"):
    server = (Six if ":" in address else Server)((address, port), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server
def move(gently):
    # To another port: gently both are open for a while, else the old one is closed first.
    global server, PORT
    PORT += 1
    old = server
    if gently:
        server = listen(PORT)
        time.sleep(1.5)
    old.shutdown()
    old.socket.setblocking(False)
    while True:  # who has connected already is answered
        try:
            request, client = old.socket.accept()
        except BlockingIOError:
            break
        request.setblocking(True)
        old.process_request(request, client)
    old.server_close()
    if not gently:
        server = listen(PORT)
print("how:", HOW or "well", flush=True)
signal.signal(signal.SIGTERM, signal.SIG_IGN if HOW == "deaf" else lambda *_: os._exit(0))
if HOW == "exits":
    sys.exit(0)
if HOW == "eats":
    taken = [bytearray(os.urandom(1 << 20)) for _ in range(4096)]
if HOW == "late":
    time.sleep(5)
if HOW == "forks":
    server = Six(("::", PORT), Handler)
    children = [os.fork() for _ in range(2)] if not os.environ.get("CHILD") else []
    if 0 in children:
        server.serve_forever()
    server.socket.close()
    signal.signal(signal.SIGTERM, lambda *_: ([os.kill(child, 15) for child in children], os._exit(0)))
else:
    server = listen(PORT + (HOW == "elsewhere"), {"four": "0.0.0.0", "loopback": "127.0.0.1"}.get(HOW, "::"))
    if HOW == "several":
        server.shutdown(); server.server_close()
        several = [listen(8081), listen(8082)]
while True:
    signal.pause()
"""
CALLER = """
import http.client, http.server, json, os, socket, threading, time
WEB, REDIS = os.environ["WEB"].split(), os.environ["REDIS"].split()
told, bad, gaps, counts = {}, [], {}, {}
def failed(*what):
    bad.append(" ".join([f"{time.time():.3f}", *map(str, what)]))
def ask(connection, name, how):
    connection.request("GET", "/cgi-bin/now", headers={"Host": f"{name}.shop.internal"})
    reply = connection.getresponse()
    body = reply.read()
    if reply.status != 200:
        failed(name, how, reply.status, body[:80])
    told[f"{name} {how}"] = told.get(f"{name} {how}", 0) + 1
def forever(name, how, place):
    kept = http.client.HTTPConnection(place(), 80, timeout=10)
    while True:
        time.sleep(0.3)
        try:
            if how != "kept":
                kept.close()
                kept = http.client.HTTPConnection(place(), 80, timeout=10)
            ask(kept, name, how)
        except (OSError, http.client.HTTPException) as error:
            failed(name, how, repr(error))
            kept.close()
def known(name):
    while True:
        try:
            return socket.getaddrinfo(f"{name}.shop.internal", 80)[0][4][0]
        except OSError:
            time.sleep(0.1)
def web(name, how):
    first = known(name)
    forever(name, how, (lambda: first) if how == "once" else lambda: f"{name}.shop.internal")
def told_by(connection, words):
    connection.sendall(words)
    answer = b""
    while not answer.endswith(b"\\r\\n"):
        part = connection.recv(200)
        if not part:
            raise ConnectionResetError("it closed")
        answer += part
    return int(answer.removeprefix(b":"))
def redis(name):
    # Each connection lives for a second, in which it asks ten times: one is held at nearly any time.
    known(name)
    last, failures = time.time(), 0
    while True:
        try:
            with socket.create_connection((f"{name}.shop.internal", 6379), timeout=10) as connection:
                for _ in range(10):
                    counts.setdefault(name, []).append(told_by(connection, b"INCR count\\r\\n"))
                    if failures:
                        gaps.setdefault(name, []).append([time.time() - last, failures])
                    last, failures = time.time(), 0
                    time.sleep(0.1)
                told[name] = told.get(name, 0) + 1
        except (OSError, ValueError):
            failures += 1
            time.sleep(0.1)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(json.dumps({"told": told, "bad": bad, "gaps": gaps, "counts": counts}).encode())
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
for name in WEB:
    for how in ("fresh", "kept", "once"):
        threading.Thread(target=web, args=(name, how), daemon=True).start()
for name in REDIS:
    threading.Thread(target=redis, args=(name,), daemon=True).start()
Server(("::", int(os.environ["PORT"])), Handler).serve_forever()
"""
