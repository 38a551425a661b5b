#!/bin/busybox sh
# The initrd's program: the few modules, the disks, an overlay as the root, then the guest's own init.
# vda: the root; vdb: the payload, mounted by the agent; vdc: a scratch disk, likewise; vdd: modules.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /m/*.ko; do insmod "$module"; done
# A busy host's disks come up late.
for disk in a b c d; do until test -b "/dev/vd$disk"; do :; done; done
mkdir -p /base /upper /new
mount -t erofs -o ro /dev/vda /base
mount -t tmpfs -o size=80% upper /upper
mkdir /upper/u /upper/w
mount -t overlay -o lowerdir=/base,upperdir=/upper/u,workdir=/upper/w root /new
mount -t erofs -o ro /dev/vdd /new/usr/lib/modules
mount --move /dev /new/dev
init=plain
for word in $(cat /proc/cmdline); do
  case $word in bed=*) init=${word#bed=} ;; esac
done
umount /proc
umount /sys
case $init in
  systemd) exec switch_root /new /lib/systemd/systemd ;;
  *) exec switch_root /new /bed/plain ;;
esac
