#!/bin/bash
# Before the plain guest's first process: loads the policy, and goes on as the domain that starts
# containers. What is mounted here stays.
export PATH=/usr/sbin:/usr/bin
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sys /sys
load_policy -i
restorecon /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty
exec runcon system_u:system_r:agent_t:s0 /bed/unlabelled
