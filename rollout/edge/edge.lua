-- The edge's own code, run by Envoy for every request. It reads the service's route file, chooses a side by weight and a copy
-- of that side, and on the answer counts the failures of v2's copies: a copy that breaks loses its traffic, without us.
--
-- listeners.py replaces the words between @ signs. Route files are written by routes.py; see there for their one line.

local ROUTES = @ROUTES@        -- folder: one file per service, named by its host name
local ROOM = @ROOM@            -- the environment in whose room this listens: requests come by address; "" where they come by name
local ADDRESSES = @ADDRESSES@  -- folder: one file per address of a service, holding its host name
local TRIES = @TRIES@          -- header by which the route is told of a room's clusters
local TRIPS = @TRIPS@          -- folder: one file per address that failed; one line per failure, in ms since 1970
local WIDE_RETRY = @WIDE_RETRY@  -- when GET, HEAD and OPTIONS are tried again; "" where nothing is
local RETRIES = WIDE_RETRY ~= ""
local REFUSED = @REFUSED@      -- when anything is tried again on another port of the same copy: it has not seen the request
local FAILURES = 3             -- so many in a row trip a copy
local TRIPPED_MS = 30000       -- so long a tripped copy gets nothing, then the next request tries it again
local READS = 3                -- looks at a route file that is not whole, before it counts as broken

-- Envoy would obey these from a request; what a client sent is not for it to say.
local NOT_FROM_CLIENTS = {
  "x-envoy-retry-on", "x-envoy-retry-grpc-on", "x-envoy-max-retries", "x-envoy-retriable-status-codes",
  "x-envoy-retriable-header-names", "x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-rq-per-try-timeout-ms",
  "x-envoy-hedge-on-per-try-timeout", "x-envoy-upstream-alt-stat-name", "x-envoy-expected-rq-timeout-ms", TRIES,
}
local PLAIN = { GET = true, HEAD = true, OPTIONS = true }  -- methods that may be sent twice after any failure

local UNKNOWN = "the edge knows no service of this " .. (ROOM == "" and "name" or "address")

-- Failures that could not be written down (full disk): this worker remembers its own. address -> {count, last}
local remembered = {}

-- The host name without its port, in lower case. Anchored at both ends and without a slash: it names a file.
local function named(authority)
  return (authority or ""):lower():match("^([%w][%w%.%-]*):?%d*$")
end

-- The host name of the service that has this address: `[fd12::5:0:0:7]:80`. Its file is replaced, never written over.
local function addressed(asked)
  local address = asked:match("^%[([%x:]+)%]:%d+$")
  local file = address and io.open(ADDRESSES .. address, "r")
  if not file then return nil end
  local line = file:read("*l") or ""
  file:close()
  return line:match("^[%w][%w%.%-]*$")
end

local function service_of(handle)
  if ROOM == "" then return named(handle:headers():get(":authority")) end
  return addressed(handle:streamInfo():downstreamLocalAddress())
end

-- legacy list, v2 list, weight, other words (room, spare ports) of a service; nil where the file is missing; false where it is broken.
-- A file that was replaced while it was read says another name or no end mark: it is read again.
local function route_of(service)
  for _ = 1, READS do
    local file = io.open(ROUTES .. service, "r")
    if not file then return nil end
    local line = file:read("*l") or ""
    file:close()
    local name, legacy, v2, weight, words = line:match("^(%S+) (%S+) (%S+) (%d+) ([^;]*);%s*$")
    if name == service then return legacy, v2, tonumber(weight), words end
  end
  return false
end

-- How often an address failed in a row, and when it did last (ms): what all workers wrote down, or what this one remembers.
local function failures_of(address)
  local own = remembered[address] or { count = 0, last = 0 }
  local file = io.open(TRIPS .. address, "r")
  if not file then return own.count, own.last end
  local text = file:read(512) or ""
  file:close()
  local count, last = 0, 0
  for stamp in text:gmatch("(%d+)\n") do
    count, last = count + 1, tonumber(stamp)
  end
  if own.count > count then return own.count, own.last end
  return count, last
end

-- So many failures, and its rest is not over.
local function rests(count, last, now)
  return count >= FAILURES and now < last + TRIPPED_MS
end

local function tripped(address, now)
  local count, last = failures_of(address)
  return rests(count, last, now)
end

-- One failure more. A copy that fails again after its rest has a file of the same length.
local function note_failure(address, now)
  local count, last = failures_of(address)
  if rests(count, last, now) then return end
  local again = count >= FAILURES
  local stamp = string.format("%d\n", now)
  local file = io.open(TRIPS .. address, again and "w" or "a")
  if file then
    local written = file:write(again and stamp:rep(FAILURES) or stamp)
    if file:close() and written then return end
  end
  remembered[address] = { count = math.min(count + 1, FAILURES), last = now }
end

-- A good answer ends the row of failures, unless it is a late one from before the trip.
local function note_success(address, now)
  local count, last = failures_of(address)
  if count > 0 and not rests(count, last, now) then
    os.remove(TRIPS .. address)
    remembered[address] = nil
  end
end

-- One copy out of "a,b,c" by chance, rather one that is not tripped, never `other`; nil where there is none.
local function choose(list, now, other)
  if not list:find(",", 1, true) then
    return list ~= "-" and list ~= other and list or nil
  end
  local best, any, works = nil, nil, 0
  for address in list:gmatch("[^,]+") do
    if address ~= other then
      any = any or address
      if not tripped(address, now) then
        works = works + 1
        if math.random(works) == 1 then best = address end
      end
    end
  end
  return best or any
end

-- A copy for the second try: another one of the same side, else one of the other side if that `may` help, else the same.
local function second_of(plan, own, others, may, now)
  local copy = choose(own, now, plan.first)
  if not copy and may then
    copy = choose(others, now)
    if copy then plan.second_side = plan.side == "v2" and "legacy" or "v2" end
  end
  plan.second = copy or plan.first
end

-- A copy that has just opened another port may leave its first one at any time: that port is asked next, before another copy.
local function with_spare(plan, words)
  for address, spare in words:gmatch("(%S+)>(%S+)") do
    if address == plan.first then
      plan.third, plan.third_side = plan.second or spare, plan.second_side
      plan.second, plan.second_side, plan.spare = spare, plan.side, "yes"
    end
  end
  return plan
end

local function on_host(address)
  return address:find("^127%.") ~= nil
end

-- All tries of a request begin in one place, where its first copy is: a second one elsewhere gives way to the first again.
local function in_one_place(plan)
  local host = on_host(plan.first)
  if plan.second and on_host(plan.second) ~= host then plan.second, plan.second_side = plan.first, plan.side end
  if plan.third and on_host(plan.third) ~= host then plan.third, plan.third_side = plan.second, plan.second_side end
  return host
end

-- Where a request goes: the copies of the first and the second try, and their sides.
-- `shed`: it was v2's by weight, but all of v2's copies are tripped. `watched`: failures of this copy matter, as another can
-- take its place; legacy never gives traffic to v2 by itself.
local function pick(legacy, v2, weight, now)
  local shed = false
  if v2 ~= "-" and (legacy == "-" or math.random(100) <= weight) then
    local first = choose(v2, now)
    shed = legacy ~= "-" and tripped(first, now)  -- one that is not tripped would have been chosen
    if not shed then
      local plan = { side = "v2", second_side = "v2", first = first, shed = "-", watched = "yes" }
      if RETRIES then second_of(plan, v2, legacy, true, now) end
      return plan
    end
  end
  local plan = { side = "legacy", second_side = "legacy", first = choose(legacy, now), shed = shed and "shed" or "-" }
  plan.watched = legacy:find(",", 1, true) and "yes" or "-"
  if RETRIES then second_of(plan, legacy, v2, weight > 0 and not shed, now) end  -- a legacy copy that died: v2 may help out
  return plan
end

local function refuse(handle, status, text)
  handle:respond({ [":status"] = status, ["content-type"] = "text/plain" }, text .. "\n")
end

local function may_be_sent_twice(headers)
  return PLAIN[headers:get(":method")] and not headers:get("upgrade")
    and not (headers:get("content-type") or ""):find("^application/grpc")
end

-- Without a spare port: once more, on another copy. With one: that port where the first refused, then another copy likewise.
-- An answer of the first stands then: of the other port it is not known what it would do with the request.
local function retry(headers, plan)
  if plan.spare then
    -- a connection that the first has not taken before it left is reset
    headers:replace("x-envoy-retry-on", may_be_sent_twice(headers) and REFUSED .. ",reset" or REFUSED)
    headers:replace("x-envoy-max-retries", RETRIES and "2" or "1")
  elseif RETRIES and may_be_sent_twice(headers) then
    headers:replace("x-envoy-retry-on", WIDE_RETRY)
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  for _, name in ipairs(NOT_FROM_CLIENTS) do headers:remove(name) end

  local service = service_of(handle)
  local legacy, v2, weight, words
  if service then legacy, v2, weight, words = route_of(service) end
  if legacy == nil then return refuse(handle, "404", UNKNOWN) end
  if legacy == false then return refuse(handle, "503", "the route of this service is broken") end
  local environment = words:match("@([%w%-]+)=")
  if ROOM ~= "" and environment ~= ROOM then return refuse(handle, "404", UNKNOWN) end
  if legacy == "-" and v2 == "-" then return refuse(handle, "503", "no copy of this service runs") end

  local notes = handle:streamInfo():dynamicMetadata()
  notes:set("rollout", "service", service)
  local plan = with_spare(pick(legacy, v2, weight, handle:timestamp()), words)
  if environment and not in_one_place(plan) then headers:replace(TRIES, "tries@" .. environment) end
  for word, value in pairs(plan) do
    notes:set("rollout", word, value)  -- `first`, `second` and `third` are read by the clusters of those tries
  end
  retry(headers, plan)
end

function envoy_on_response(handle)
  local notes = handle:streamInfo():dynamicMetadata():get("rollout")
  if not notes then return end
  local headers = handle:headers()
  local status = tonumber(headers:get(":status")) or 0
  local try = tonumber(headers:get("x-envoy-attempt-count")) or 1
  headers:remove("x-envoy-attempt-count")
  headers:replace("x-rollout-runtime", (try > 2 and notes.third_side) or (try > 1 and notes.second_side) or notes.side)
  local followed = try == 2 and notes.spare == "yes"
  if followed then handle:streamInfo():dynamicMetadata():set("rollout", "shed", "followed") end
  if notes.watched ~= "yes" then return end
  if (try > 1 and not followed) or status >= 500 then
    note_failure(notes.first, handle:timestamp())
  else
    note_success(notes.first, handle:timestamp())
  end
end
