# Sourced by the scripts that install packages: runs a command up to three times, because a download that breaks is no failed test.
patiently() {
  for attempt in 1 2 3; do
    "$@" && return
    if [[ "$attempt" != 3 ]]; then sleep 10; fi
  done
  return 1
}
