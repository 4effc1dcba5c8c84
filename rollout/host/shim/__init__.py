"""The shim: one small process for every process that is kept, as conmon and containerd-shim are for containers.

It outlives everything of ours. Standard library only, and little of it, because there is one for each process. Started by
`python -I -S start.py ROOT FOLDER`; FOLDER holds `spec` (read once), `lock` (held for life: free while the state says
"running" means that the shim died), `state` (JSON, replaced whole), `control` (a FIFO: `stop SECONDS`), `log` and `log.1`.
In the environment: ROLLOUT_SHIM=FOLDER for the shim, ROLLOUT_KEPT=FOLDER for what it keeps.
"""
