#!/usr/bin/env bash
# Two machines in network namespaces of their own: STATION runs in this one, STRANGER in the other, whose static peer is
# the first. Usage: unshare -rnm bash two_machines.sh PYTHON STATION STRANGER SECONDS
set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

exec 3< <(unshare -n -m bash -c 'echo $$; exec sleep 100')
read -r other <&3
there() { nsenter -t "$other" -n -m "$@"; }

ip link add here type veth peer name there
ip link set there netns "$other"
ip link set lo up
there ip link set lo up
ip address add 10.77.0.1/24 dev here
there ip address add 10.77.0.2/24 dev there
ip link set here up
there ip link set there up
mount -t tmpfs tmpfs /dev/shm # machines share no memory
there mount -t tmpfs tmpfs /dev/shm

"$1" -c "$2" &
there env -u FASTRTPS_DEFAULT_PROFILES_FILE ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET ROS_STATIC_PEERS=10.77.0.1 \
    "$1" -c "$3" "$4"
kill "$other" %% 2>/dev/null || true
