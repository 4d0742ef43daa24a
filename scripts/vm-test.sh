#!/usr/bin/env bash
# Boots a distribution as its packages make it, with its own kernel, in QEMU, runs the lab there as a new user would, and
# prints a verdict: doctor, demo (by sudo and without, from a home of mode 0700), compare, and the end-to-end tests.
#
#   scripts/vm-test.sh [debian-12|debian-13] [--arch amd64|arm64] [--only STEP,…] [--run REGEXP] [--work DIR]
#
#   --arch   arm64 boots Debian's arm64 kernel on an emulated processor, with a root file system of unpacked packages and no
#            systemd, and runs the sandbox's tests and the demo there
#   --only   these steps: doctor, demo, rootless, compare, e2e (amd64), sandbox (arm64)
#   --run    of the steps e2e and sandbox, these tests
#   --work   where the root file system, the disk and the log go; a root file system that is there is used again
#            (default: bin/vm)
#
# Needs root (mmdebstrap, mke2fs) and Debian's packages mmdebstrap, qemu-system-x86 or qemu-system-arm, e2fsprogs, cpio and
# kmod. With KVM a run takes minutes, without it an hour or more: the processor is emulated. The machine has no network.
# Exit codes: 0 all steps passed, 1 a step failed, 2 usage, 3 something is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$(pwd)
PATH=$PATH:/usr/sbin:/sbin:/usr/local/go/bin

release=debian-12 arch=amd64 only='' tests='' work=$top/bin/vm

main() {
  while [ $# -gt 0 ]; do
    case $1 in
      debian-12 | debian-13) release=$1 ;;
      --arch) arch=${2?--arch needs a name} && shift ;;
      --only) only=${2?--only needs steps} && shift ;;
      --run) tests=${2?--run needs a regular expression} && shift ;;
      --work) work=${2?--work needs a directory} && shift ;;
      *) usage ;;
    esac
    shift
  done
  case $arch in amd64) only=${only:-doctor,demo,rootless,compare,e2e} ;; arm64) only=${only:-doctor,demo,sandbox} ;; *) usage ;; esac
  case $release in debian-12) suite=bookworm ;; debian-13) suite=trixie ;; esac
  check
  mkdir -p "$work"
  work=$(cd "$work" && pwd)
  build
  "root_$arch"
  boot
  verdict
}

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2 && exit 2; }

check() {
  local missing=() program
  for program in mmdebstrap mke2fs cpio depmod "$(qemu)"; do
    if ! command -v "$program" >/dev/null; then missing+=("$program"); fi
  done
  if [ ${#missing[@]} -gt 0 ]; then
    echo "vm-test: missing: ${missing[*]}. Try: apt-get install --no-install-recommends mmdebstrap e2fsprogs cpio kmod qemu-system-x86 qemu-system-arm" >&2
    exit 3
  fi
  if [ "$(id -u)" -ne 0 ]; then echo 'vm-test: needs root, to make a root file system: try sudo' >&2 && exit 3; fi
}

qemu() { case $arch in amd64) echo qemu-system-x86_64 ;; arm64) echo qemu-system-aarch64 ;; esac; }

# build makes the lab and its test programs for the machine, which has no Go.
build() {
  echo "vm-test: builds enilab and its tests for $arch"
  tree=$work/tree-$arch
  rm -rf "$tree"
  mkdir -p "$tree"
  git archive HEAD | tar -x -C "$tree"
  cd "$tree"
  GOARCH=$arch make --no-print-directory build VERSION="$(git -C "$top" describe --tags --always)"
  local package
  for package in e2e e2e/aws sandbox; do
    CGO_ENABLED=0 GOARCH=$arch go test -c -trimpath -o "bin/${package//\//-}.test" "./$package"
  done
  cd "$top"
}

# What the lab and its tests want of the distribution, on either architecture.
packages=iproute2,iptables,redis-server,sudo,procps,kmod,python3

# root_amd64 makes a disk with the distribution as its installer's minimum, a user with sudo whose home has mode 0700, and
# the lab in that home. systemd runs the steps when all else is up.
root_amd64() {
  local tar=$work/$release-amd64.tar root=$work/root-amd64
  if [ ! -e "$tar" ]; then
    echo "vm-test: makes a root file system of $release's packages"
    mmdebstrap --mode=root --variant=important --include="systemd-sysv,dbus,adduser,linux-image-amd64,awscli,$packages" "$suite" "$tar.part.tar" >"$work/mmdebstrap.log" 2>&1 ||
      { tail -n 20 "$work/mmdebstrap.log" >&2 && exit 1; }
    mv "$tar.part.tar" "$tar"
  fi
  echo 'vm-test: makes a disk'
  rm -rf "$root"
  mkdir "$root"
  tar -C "$root" -xf "$tar"
  chroot "$root" systemctl --quiet disable redis-server
  chroot "$root" adduser --quiet --disabled-password --gecos '' student
  chmod 700 "$root/home/student"
  echo 'student ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/student"
  cp -a "$tree" "$root/home/student/enilab"
  chroot "$root" chown -R student:student /home/student
  echo enilab-vm >"$root/etc/hostname"
  printf '127.0.0.1 localhost\n127.0.1.1 enilab-vm\n' >"$root/etc/hosts"
  echo '/dev/vda / ext4 errors=remount-ro 0 1' >"$root/etc/fstab"
  { echo 'console=/dev/ttyS0' && guest /home/student/enilab 'runuser -u student --' 'runuser -u student -- sudo'; } >"$root/usr/local/sbin/enilab-steps"
  printf '%s\n' '[Unit]' 'Description=what scripts/vm-test.sh runs' 'After=systemd-user-sessions.service' \
    '[Service]' 'Type=exec' 'ExecStart=/bin/bash /usr/local/sbin/enilab-steps' 'ExecStopPost=systemctl --no-block poweroff' \
    '[Install]' 'WantedBy=multi-user.target' >"$root/etc/systemd/system/enilab-steps.service"
  chroot "$root" systemctl --quiet enable enilab-steps.service
  chroot "$root" systemctl --quiet mask serial-getty@ttyS0.service # which hangs up whoever writes to the console
  cp "$root"/boot/vmlinuz-* "$work/vmlinuz-amd64"
  cp "$root"/boot/initrd.img-* "$work/initrd-amd64"
  rm -f "$work/disk.img"
  mke2fs -q -t ext4 -d "$root" "$work/disk.img" 10G
  rm -rf "$root"
}

# root_arm64 makes an initramfs of packages that are unpacked and not configured, since nothing here can run their scripts.
# Its first process moves to a tmpfs, because a sandbox pivots its root, and what boots as an initramfs cannot.
root_arm64() {
  local root=$work/root-arm64 modules dir program
  echo "vm-test: makes a root file system of $release's packages, unpacked"
  rm -rf "$root"
  mmdebstrap --mode=root --variant=extract --architectures=arm64 --format=directory \
    --include="linux-image-arm64,bash,dash,coreutils,util-linux,mount,grep,sed,gawk,hostname,$packages" "$suite" "$root" >"$work/mmdebstrap.log" 2>&1 ||
    { tail -n 20 "$work/mmdebstrap.log" >&2 && exit 1; }
  for dir in bin sbin lib; do # merge /usr, as a package's script would
    if [ ! -L "$root/$dir" ]; then
      mkdir -p "$root/usr/$dir"
      cp -a "$root/$dir/." "$root/usr/$dir/"
      rm -rf "${root:?}/$dir"
      ln -s "usr/$dir" "$root/$dir"
    fi
  done
  for program in iptables iptables-restore iptables-save ip6tables ip6tables-restore ip6tables-save; do
    ln -sf xtables-nft-multi "$root/usr/sbin/$program"
  done
  ln -sf mawk "$root/usr/bin/awk"
  ln -sf dash "$root/usr/bin/sh"
  if [ -e "$root/usr/bin/gawk" ]; then ln -sf gawk "$root/usr/bin/awk"; fi
  cp "$root"/boot/vmlinuz-* "$work/vmlinuz-arm64"
  modules=$(basename "$(echo "$root"/usr/lib/modules/*)")
  find "$root/usr/lib/modules/$modules/kernel" -type f | grep -vE '/kernel/(net|lib|crypto|fs/(overlayfs|fuse))/|/drivers/net/(veth|vxlan|dummy|tun|macvlan)' | xargs -r rm -f
  depmod -b "$root/usr" "$modules" 2>/dev/null || depmod -b "$root" "$modules"
  rm -rf "${root:?}"/{boot,var/cache/apt,var/lib/apt,usr/lib/firmware} "$root"/usr/share/{doc,man,locale,i18n,perl,zoneinfo,info}
  printf 'root:x:0:0:root:/root:/bin/bash\nstudent:x:1000:1000::/home/student:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n' >"$root/etc/passwd"
  printf 'root:x:0:\nstudent:x:1000:\nnogroup:x:65534:\n' >"$root/etc/group"
  install -d -m 700 "$root/home/student" "$root/moved"
  cp -a "$tree" "$root/home/student/enilab"
  rm -rf "$root/home/student/enilab/bin/"{e2e.test,e2e-aws.test}
  chown -R 1000:1000 "$root/home/student"
  # shellcheck disable=SC2016 # expanded in the machine
  printf '%s\n' '#!/bin/bash' 'export PATH=/usr/sbin:/usr/bin' 'mount -t tmpfs -o size=90% tmpfs /moved' \
    'cp -a /usr /etc /var /home /root /guest /moved/' 'for d in bin sbin lib; do ln -s usr/$d /moved/$d; done' \
    'mkdir -p /moved/{proc,sys,dev,run,tmp,opt,mnt,media,srv}' 'chmod 1777 /moved/tmp' 'exec switch_root /moved /bin/bash /guest' >"$root/init"
  chmod 755 "$root/init"
  {
    printf '%s\n' 'console=/dev/ttyAMA0' 'export PATH=/usr/sbin:/usr/bin HOME=/root' 'mount -t proc proc /proc' 'mount -t sysfs sysfs /sys' 'mount -t devtmpfs dev /dev' \
      'mkdir -p /dev/pts /dev/shm' 'mount -t devpts devpts /dev/pts' 'mount -t tmpfs tmpfs /dev/shm' 'mount -t tmpfs tmpfs /run' 'mount -t cgroup2 cgroup2 /sys/fs/cgroup' \
      'ip link set lo up' 'ulimit -n 65536'
    guest /home/student/enilab 'setpriv --reuid=1000 --regid=1000 --clear-groups' '' # sudo's package is not configured
    echo 'echo o >/proc/sysrq-trigger; sleep 60'
  } >"$root/guest"
  (cd "$root" && find . | cpio -o -H newc --quiet) >"$work/initrd-arm64"
  rm -rf "$root"
}

# guest prints what the machine runs: guest CHECKOUT AS-THE-USER BY-SUDO. Each step ends with a line that verdict reads.
guest() {
  printf "checkout=%s as_user='%s' by_sudo='%s' only=,%s, tests=%q\n" "$1" "$2" "$3" "$only" "$tests"
  cat <<'SCRIPT'
exec </dev/null >"$console" 2>&1
PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd "$checkout"
step() { # NAME, then the command
  local name=$1 began=$SECONDS status=0
  shift
  case $only in *,"$name",*) ;; *) return ;; esac
  printf '\n== %s: %s\n' "$name" "$*"
  "$@" || status=$?
  printf '== %s ended with %d after %d s\n' "$name" "$status" "$((SECONDS - began))"
}
left() { # what a lab must not leave
  ls -d /run/enilab/* /var/lib/enilab/* /sys/fs/cgroup/enilab/* 2>/dev/null
  ip -br link | grep -iE '^(eni|enilab)'
  ip netns list
}
e2e() { (cd "$1" && ENILAB_BIN="$checkout/bin/enilab" "$checkout/bin/${1//\//-}.test" -test.run "$tests" -test.timeout 6h); }
uname -a
cat /etc/debian_version
step doctor bin/enilab doctor
step doctor $as_user bin/enilab doctor
step demo $by_sudo bin/enilab demo --runs 3 --burst 5
step rootless $as_user bin/enilab demo --runs 3 --burst 5
step compare $by_sudo bin/enilab compare --runs 5 --burst 10
step sandbox bash -c "cd sandbox && ../bin/sandbox.test -test.run '$tests' -test.timeout 3h"
step e2e e2e e2e
step e2e e2e e2e/aws
only=,left, step left test -z "$(left)"
left
dmesg | grep -E 'BUG|Oops|WARNING:|segfault' | tail -n 5
echo '== the end'
SCRIPT
}

# kvm is true if KVM can boot a distribution's kernel. With the device alone it need not: PVM offers KVM without the
# processor's help, to kernels that know it.
kvm() { [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo; }

boot() {
  log=$work/$release-$arch.log
  echo "vm-test: boots $release on $arch; what it prints is in $log"
  local machine=() accel=(-accel 'tcg,thread=multi')
  if kvm; then accel=(-accel kvm); fi
  case $arch in
    amd64) machine=("${accel[@]}" -cpu max -append 'root=/dev/vda rw console=ttyS0 quiet panic=5' -drive "file=$work/disk.img,if=virtio,format=raw,cache=unsafe") ;;
    arm64) machine=(-M virt -accel 'tcg,thread=multi' -cpu cortex-a72 -append 'console=ttyAMA0 rdinit=/init quiet panic=5') ;;
  esac
  # The machine's end is the end of its processor, after poweroff or a panic; a run that hangs ends after six hours.
  timeout -k 10 6h "$(qemu)" "${machine[@]}" -smp 2 -m 4096 -kernel "$work/vmlinuz-$arch" -initrd "$work/initrd-$arch" \
    -display none -monitor none -serial "file:$log" -nic none -no-reboot || true
  rm -f "$work/disk.img" "$work/initrd-$arch" "$work/vmlinuz-$arch"
}

# verdict is what the machine said of each step.
verdict() {
  local said
  said=$(tr -d '\r' <"$log" | grep -aE '^== .* ended with|^== the end$|^Linux ' || true)
  echo "$said"
  if [[ $said != *'== the end' ]]; then echo "vm-test: failed: the machine ended before its steps had; see $log" && exit 1; fi
  if [[ $said =~ ended\ with\ [^0] ]]; then echo "vm-test: failed: see $log" && exit 1; fi
  echo "vm-test: $release on $arch passed"
}

main "$@"
