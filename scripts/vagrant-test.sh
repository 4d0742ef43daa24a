#!/usr/bin/env bash
# Does what the README says of Vagrant, for real: `vagrant up` with libvirt, by the project's own Vagrantfile, on a Debian 12
# box that it builds from packages; then `make demo` in the machine; then it destroys the machine.
#
#   scripts/vagrant-test.sh [--work DIR]
#
#   --work   where the box, Vagrant's home and libvirt's files go; a box that is there is used again (default: bin/vagrant)
#
# libvirt's daemon, its network and the machine live in network and mount namespaces that end with this script; slirp4netns
# is their way out, to Debian's mirror and Go's modules. Needs root, 15 GB, and Debian's packages
#   vagrant vagrant-libvirt libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils mmdebstrap slirp4netns dnsmasq-base
# With KVM a run takes ten minutes, without it an hour or more: the processor is emulated.
# Exit codes: 0 passed, 1 failed, 2 usage, 3 something is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$(pwd)
PATH=$PATH:/usr/sbin:/sbin

work=$top/bin/vagrant
case ${1-} in
  '') ;;
  --work) work=${2?--work needs a directory} ;;
  *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2 && exit 2 ;;
esac

main() {
  check
  mkdir -p "$work"
  work=$(cd "$work" && pwd)
  if [ ! -e "$work/debian12.box" ]; then box; fi
  trap finish EXIT
  trap 'exit 130' INT TERM HUP
  libvirt
  rm -rf "$work/checkout"
  git clone -q "$top" "$work/checkout"
  vagrant box add --force --name local/debian12 "$work/debian12.box"
  vagrant validate
  vagrant up --provider libvirt
  vagrant ssh -c 'cd enilab && make demo ARGS="--runs 3 --burst 5"'
  echo 'vagrant-test: passed'
}

check() {
  local missing=() program
  for program in vagrant libvirtd virsh qemu-system-x86_64 qemu-img mmdebstrap slirp4netns dnsmasq; do
    if ! command -v "$program" >/dev/null; then missing+=("$program"); fi
  done
  if [ ${#missing[@]} -gt 0 ]; then echo "vagrant-test: missing: ${missing[*]}; the packages are named at the top of $0" >&2 && exit 3; fi
  if [ "$(id -u)" -ne 0 ]; then echo 'vagrant-test: needs root: try sudo' >&2 && exit 3; fi
}

# box makes a box as debian/bookworm64 is, with direct kernel boot instead of a boot loader, and Vagrant's public key.
box() {
  local root=$work/root key
  echo 'vagrant-test: makes a Debian 12 box'
  rm -rf "$root" "$work/box"
  mmdebstrap --mode=root --variant=important --format=directory \
    --include=systemd-sysv,udev,dbus,iproute2,sudo,adduser,openssh-server,rsync,ca-certificates,linux-image-amd64,ifupdown,isc-dhcp-client,procps,curl \
    bookworm "$root"
  key=$(find /usr/share -path '*vagrant*/keys/vagrant.pub' -print -quit)
  chroot "$root" adduser --quiet --disabled-password --gecos '' vagrant
  chmod 700 "$root/home/vagrant"
  install -d -m 700 "$root/home/vagrant/.ssh"
  install -m 600 "$key" "$root/home/vagrant/.ssh/authorized_keys"
  chroot "$root" chown -R vagrant:vagrant /home/vagrant
  echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/vagrant"
  echo bookworm >"$root/etc/hostname"
  printf '127.0.0.1 localhost\n127.0.1.1 bookworm\n' >"$root/etc/hosts"
  echo '/dev/vda / ext4 errors=remount-ro 0 1' >"$root/etc/fstab"
  printf 'auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n' >"$root/etc/network/interfaces"
  : >"$root/etc/machine-id"
  # The certificate authorities of a proxy between here and the mirrors, if this machine trusts one.
  find /usr/local/share/ca-certificates -name '*.crt' -exec cp -t "$root/usr/local/share/ca-certificates/" {} +
  chroot "$root" update-ca-certificates >/dev/null 2>&1
  mkdir -p "$work/box"
  cp "$root"/boot/vmlinuz-* "$work/box/vmlinuz"
  cp "$root"/boot/initrd.img-* "$work/box/initrd"
  mke2fs -q -t ext4 -d "$root" "$work/box/raw.img" 12G
  rm -rf "$root"
  qemu-img convert -f raw -O qcow2 "$work/box/raw.img" "$work/box/box.img"
  rm "$work/box/raw.img"
  echo '{"provider": "libvirt", "format": "qcow2", "virtual_size": 12}' >"$work/box/metadata.json"
  # Without KVM libvirt emulates, and wants a processor that its tables name.
  local emulated=''
  if ! kvm; then emulated='lv.driver = "qemu"; lv.cpu_mode = "custom"; lv.cpu_model = "Westmere"'; fi
  cat >"$work/box/Vagrantfile" <<RUBY
Vagrant.configure("2") do |config|
  config.vm.provider :libvirt do |lv|
    lv.kernel = "$work/box/vmlinuz"
    lv.initrd = "$work/box/initrd"
    lv.cmd_line = "root=/dev/vda rw console=ttyS0 net.ifnames=0"
    $emulated
  end
  config.vm.boot_timeout = 1800
end
RUBY
  tar -C "$work/box" -czf "$work/debian12.box" metadata.json box.img Vagrantfile
  rm "$work/box/box.img"
}

# kvm is true if KVM can boot a distribution's kernel. With the device alone it need not: PVM offers KVM without the
# processor's help, to kernels that know it.
kvm() { [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo; }

# libvirt starts its daemon in namespaces of its own, with directories of its own over those of the machine's.
libvirt() {
  local dir pid
  for dir in etc run lib cache log; do mkdir -p "$work/libvirt/$dir"; done
  cp -a /etc/libvirt/. "$work/libvirt/etc/"
  printf '%s\n' 'user = "root"' 'group = "root"' 'dynamic_ownership = 0' 'remember_owner = 0' 'security_driver = "none"' 'namespaces = []' \
    'cgroup_controllers = []' 'stdio_handler = "file"' >"$work/libvirt/etc/qemu.conf"
  printf '%s\n' 'auth_unix_ro = "none"' 'auth_unix_rw = "none"' 'unix_sock_group = "root"' >"$work/libvirt/etc/libvirtd.conf"
  # The first process holds the namespaces; its pid namespace ends all that runs in them.
  # shellcheck disable=SC2016 # expanded inside
  unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc bash -euc '
    mount --bind "$1/etc" /etc/libvirt; mount --bind "$1/lib" /var/lib/libvirt; mount --bind "$1/run" /run
    mkdir -p /var/cache/libvirt /var/log/libvirt
    mount --bind "$1/cache" /var/cache/libvirt; mount --bind "$1/log" /var/log/libvirt
    mount -t sysfs sysfs /sys
    ip link set lo up
    exec sleep infinity' bash "$work/libvirt" &
  outer=$!
  for _ in {1..100}; do
    pid=$(cat "/proc/$outer/task/$outer/children" 2>/dev/null || true)
    if [ -n "$pid" ] && [ "$(cat "/proc/${pid% }/comm" 2>/dev/null)" = sleep ]; then break; fi
    sleep 0.1
  done
  first=${pid% }
  slirp4netns --configure --mtu=1400 "$first" tap0 >"$work/slirp.log" 2>&1 &
  slirp=$!
  # shellcheck disable=SC2016 # expanded inside
  inside bash -euc '
    for _ in $(seq 100); do if [[ $(ip -br addr show tap0 2>/dev/null) == *UP* ]]; then break; fi; sleep 0.1; done
    echo 1 >/proc/sys/net/ipv4/ip_forward
    virtlogd -d
    libvirtd -d
    for _ in $(seq 300); do if virsh -q -c qemu:///system version >/dev/null 2>&1; then exit 0; fi; sleep 0.1; done
    echo "vagrant-test: libvirtd does not answer" >&2; exit 1'
}

inside() { nsenter --target "$first" --net --mount --pid --wd="$PWD" -- "$@"; }

vagrant() {
  (
    cd "$work/checkout"
    export VAGRANT_HOME=$work/home ENILAB_BOX=local/debian12 VAGRANT_DEFAULT_PROVIDER=libvirt VAGRANT_CHECKPOINT_DISABLE=1 VAGRANT_BOX_UPDATE_CHECK_DISABLE=1 LANG=C.UTF-8
    inside "$(type -P vagrant)" "$@"
  )
}

# finish destroys the machine and ends what this script started, whatever went wrong.
finish() {
  set +e
  if [ -d "$work/checkout" ] && [ -n "${first-}" ]; then vagrant destroy --force; fi
  if [ -n "${slirp-}" ]; then kill "$slirp" 2>/dev/null; fi
  if [ -n "${outer-}" ]; then kill "$outer" 2>/dev/null; fi # --kill-child ends the rest
  wait
  rm -rf "$work/checkout" "$work/libvirt" "${work:?}/home"
}

main "$@"
