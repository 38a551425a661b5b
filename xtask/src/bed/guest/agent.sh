#!/bin/bash
# Inside the guest: says READY, is snapshotted there, and after each restore runs one command.
# Port 1 is the conversation, 2 the command's output, 3 its errors.
export PATH=/usr/sbin:/usr/bin HOME=/root USER=root LC_ALL=C.UTF-8
until compgen -G '/dev/vport*p3' >/dev/null; do sleep 0.1; done
port=$(compgen -G '/dev/vport*p3')
port=${port%3}
exec 3<>"${port}1" 4>"${port}2" 5>"${port}3"
# What the first command would otherwise have to read from the disk is in the snapshot's memory.
modprobe -a ext4 crc32c_generic 2>/dev/null
date >/dev/null
mount --version >/dev/null
mkdir -p /host /disk /var/lib/coffer
if [ -d /run/systemd/system ]; then systemctl is-system-running --wait >/dev/null; fi
echo READY >&3

# From here on after each restore: another day, other disks.
read -r now <&3
date -s "@$now" >/dev/null
mount -t erofs -o ro /dev/vdb /host 2>&5
mount -t ext4 /dev/vdc /disk 2>&5
# An overlay takes no id-mapped mount and is no upper layer: what containers live on is the disk.
[ -d /disk/tmp ] || install -d -m 1777 /disk/tmp
[ -d /disk/coffer ] || install -d -m 700 /disk/coffer
mkdir -p /disk/home
mount --bind /disk/tmp /tmp
mount --bind /disk/tmp /var/tmp
mount --bind /disk/coffer /var/lib/coffer
mount --bind /disk/home /home
[ -d /home/diver ] || install -d -o diver -g diver -m 700 /home/diver
export PATH=/host:$PATH
(cd / && exec bash /host/bed-command) >&4 2>&5 </dev/null 3>&- 4>&- 5>&-
status=$?
# What follows is a power cut: a disk that is kept holds what was synced.
echo "EXIT $status" >&3
exec sleep infinity
