//! What every service needs: config, clock, tasks, telemetry and the HTTP shell.
