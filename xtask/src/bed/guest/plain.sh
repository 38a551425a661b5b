#!/bin/bash
# The first process where there is no service manager: cgroup v2 whole, and the agent.
export PATH=/usr/sbin:/usr/bin
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sys /sys
mount -t tmpfs -o nosuid,nodev,mode=755 run /run
mkdir -p /dev/pts /dev/shm /run/lock
mount -t devpts -o nosuid,noexec,gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 shm /dev/shm
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
mount -t securityfs -o nosuid,nodev,noexec securityfs /sys/kernel/security
mount --make-rshared /
ip link set lo up
hostname bed
/bed/agent &
# Orphans are ours to reap. `wait` alone would return when the agent ends, which it never does.
wait
exec sleep infinity
