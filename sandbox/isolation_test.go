package sandbox_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"enilab/internal/nstest"

	"golang.org/x/sys/unix"
)

// hostileArg makes this test program the hostile one: a copy of it runs in the sandbox, tries what it should not be able
// to do, and prints what came of each attempt.
const hostileArg = "__hostile"

// attempts come with what they must come to: the errors of which one is expected, or "" for what must work.
var attempts = map[string]struct {
	try  func() error
	want []error
}{
	"mount tmpfs":        {func() error { return unix.Mount("none", "/tmp", "tmpfs", 0, "") }, perm},
	"remount / writable": {func() error { return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND, "") }, perm},
	"unmount /proc/keys": {func() error { return unix.Unmount("/proc/keys", 0) }, perm},
	"fsopen":             {func() error { _, err := unix.Fsopen("tmpfs", 0); return err }, perm},
	"open_tree":          {func() error { _, err := unix.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE); return err }, perm},
	"mount_setattr": {func() error {
		return unix.MountSetattr(unix.AT_FDCWD, "/", 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY})
	}, perm},
	"pivot_root":             {func() error { return unix.PivotRoot("/tmp", "/tmp") }, perm},
	"chroot":                 {func() error { return unix.Chroot("/tmp") }, perm},
	"unshare user":           {func() error { return unix.Unshare(unix.CLONE_NEWUSER) }, perm},
	"unshare net":            {func() error { return unix.Unshare(unix.CLONE_NEWNET) }, perm},
	"clone into namespaces":  {func() error { return clone(unix.CLONE_NEWUSER | unix.CLONE_NEWNS) }, perm},
	"clone3":                 {func() error { return syscall3(unix.SYS_CLONE3, 0, 0, 0) }, []error{unix.ENOSYS}},
	"setns":                  {func() error { return unix.Setns(0, 0) }, perm},
	"ptrace parent":          {func() error { return unix.PtraceAttach(1) }, perm},
	"process_vm_readv":       {func() error { _, err := unix.ProcessVMReadv(1, nil, nil, 0); return err }, perm},
	"bpf":                    {func() error { return syscall3(unix.SYS_BPF, 0, 0, 0) }, perm},
	"perf_event_open":        {func() error { return syscall3(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0) }, perm},
	"userfaultfd":            {func() error { return syscall3(unix.SYS_USERFAULTFD, 0, 0, 0) }, perm},
	"io_uring":               {func() error { return syscall3(unix.SYS_IO_URING_SETUP, 1, 0, 0) }, perm},
	"keyctl":                 {func() error { return syscall3(unix.SYS_KEYCTL, 0, 0, 0) }, perm},
	"add_key":                {func() error { return syscall3(unix.SYS_ADD_KEY, 0, 0, 0) }, perm},
	"init_module":            {func() error { return syscall3(unix.SYS_INIT_MODULE, 0, 0, 0) }, perm},
	"kexec_load":             {func() error { return syscall3(unix.SYS_KEXEC_LOAD, 0, 0, 0) }, perm},
	"open_by_handle_at":      {func() error { return syscall3(unix.SYS_OPEN_BY_HANDLE_AT, 0, 0, 0) }, perm},
	"reboot":                 {func() error { return syscall3(unix.SYS_REBOOT, 0, 0, 0) }, perm},
	"set the clock":          {func() error { return unix.Settimeofday(&unix.Timeval{}) }, perm},
	"set the host name":      {func() error { return unix.Sethostname([]byte("mine")) }, perm},
	"read the kernel's log":  {func() error { _, err := unix.Klogctl(3, make([]byte, 10)); return err }, perm},
	"unknown system call":    {func() error { return syscall3(999, 0, 0, 0) }, []error{unix.ENOSYS}},
	"no randomization":       {func() error { return syscall3(unix.SYS_PERSONALITY, 0x40000, 0, 0) }, perm},
	"raw socket":             {func() error { return socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP) }, perm},
	"packet socket":          {func() error { return socket(unix.AF_PACKET, unix.SOCK_RAW, 0) }, perm},
	"vsock":                  {func() error { return socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0) }, perm},
	"netfilter socket":       {func() error { return socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER) }, perm},
	"TCP socket":             {func() error { return socket(unix.AF_INET, unix.SOCK_STREAM, 0) }, nil},
	"UDP socket":             {func() error { return socket(unix.AF_INET6, unix.SOCK_DGRAM, 0) }, nil},
	"UNIX socket":            {func() error { return socket(unix.AF_UNIX, unix.SOCK_STREAM, 0) }, nil},
	"route socket":           {func() error { return socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE) }, nil},
	"type into the terminal": {func() error { return unix.IoctlSetInt(0, unix.TIOCSTI, 0) }, perm},
	"become root":            {becomeRoot, perm},
	"become somebody":        {func() error { return unix.Setresuid(12345, 12345, 12345) }, []error{unix.EPERM, unix.EINVAL}},
	"raise file limit":       {func() error { return syscall.Setrlimit(unix.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 4096, Max: 4096}) }, perm},
	"kill all others":        {func() error { return unix.Kill(-1, unix.SIGKILL) }, []error{unix.ESRCH}},
	"device node":            {func() error { return unix.Mknod("/tmp/sda", unix.S_IFBLK|0o600, 0x800) }, perm},
	"disk": {func() error {
		return firstReadable("/dev/vda", "/dev/sda", "/dev/mem", "/dev/kmsg", "/dev/fuse", "/dev/net/tun")
	}, missing},
	"terminal":            {func() error { return readable("/dev/tty") }, missing},
	"memory by /proc":     {func() error { return readsSomething("/proc/kcore", "/proc/kmsg", "/proc/keys", "/proc/timer_list") }, missing},
	"sysrq":               {func() error { return writableInProc("/proc/sysrq-trigger") }, refusedWrite},
	"sysctl":              {func() error { return writableInProc("/proc/sys/kernel/core_pattern") }, refusedWrite},
	"network sysctl":      {func() error { return writableInProc("/proc/sys/net/ipv4/ip_forward") }, refusedWrite},
	"host's /root":        {func() error { return readable("/root") }, missing},
	"host's /home":        {func() error { return readable("/home") }, missing},
	"host's /run":         {func() error { return readable("/run") }, missing},
	"host's /sys":         {func() error { return readable("/sys") }, missing},
	"host's /var/log":     {func() error { return readable("/var/log") }, missing},
	"host's shadow":       {func() error { return readable("/etc/shadow") }, missing},
	"host's host keys":    {func() error { return readable("/etc/ssh") }, missing},
	"private keys":        {func() error { return readable("/etc/ssl/private") }, missing},
	"out through /proc/1": {func() error { return readable("/proc/1/root/root") }, missing},
	"out through ..":      {func() error { return readable("/../../root") }, missing},
	"write /":             {func() error { return writable("/x") }, refusedWrite},
	"write /usr":          {func() error { return writable("/usr/x") }, refusedWrite},
	"write /etc":          {func() error { return writable("/etc/passwd") }, refusedWrite},
	"write /dev":          {func() error { return writable("/dev/x") }, refusedWrite},
	"write /opt":          {func() error { return writable("/opt/x") }, refusedWrite},
	"write code":          {func() error { return writable("/var/task/x") }, refusedWrite},
	"change /dev/null":    {func() error { return os.Chmod("/dev/null", 0o600) }, refusedWrite},
	"write /tmp":          {func() error { return writable("/tmp/x") }, nil},
	"write /dev/null":     {func() error { return writable("/dev/null") }, nil},
	"random numbers":      {func() error { return readsSomething("/dev/urandom") }, nil},
	"execute in /tmp":     {func() error { return execute("#!/bin/sh\nexit 0\n") }, nil},
}

var (
	perm         = []error{unix.EPERM}
	missing      = []error{unix.ENOENT}
	refusedWrite = []error{unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOENT}
)

func becomeRoot() error {
	if os.Getuid() == 0 {
		return unix.EPERM // it is 0 already, of a user namespace that has no other
	}
	return unix.Setresuid(0, 0, 0)
}

func syscall3(number, a, b, c uintptr) error {
	if _, _, errno := unix.Syscall(number, a, b, c); errno != 0 {
		return errno
	}
	return nil
}

func clone(flags uintptr) error {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return nil
}

func socket(family, kind, protocol int) error {
	fd, err := unix.Socket(family, kind, protocol)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func readable(path string) error {
	f, err := os.Open(path)
	if err == nil {
		f.Close()
	}
	return err
}

func firstReadable(paths ...string) error {
	for _, path := range paths {
		if readable(path) == nil {
			return fmt.Errorf("%s can be read", path)
		}
	}
	return unix.ENOENT
}

// readsSomething tells masked files, which are empty or closed, from others.
func readsSomething(paths ...string) error {
	for _, path := range paths {
		if f, err := os.Open(path); err == nil {
			n, _ := io.ReadFull(f, make([]byte, 1))
			f.Close()
			if n > 0 {
				return nil
			}
		}
	}
	return unix.ENOENT
}

func writable(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		f.Close()
	}
	return err
}

// writableInProc is writable, unless /dev/null covers the file.
func writableInProc(path string) error {
	var covered, null unix.Stat_t
	if unix.Stat(path, &covered) == nil && unix.Stat("/dev/null", &null) == nil && covered.Rdev == null.Rdev {
		return unix.ENOENT
	}
	return writable(path)
}

func execute(script string) error {
	if err := os.WriteFile("/tmp/script", []byte(script), 0o700); err != nil {
		return err
	}
	p, err := os.StartProcess("/tmp/script", []string{"script"}, &os.ProcAttr{})
	if err != nil {
		return err
	}
	s, err := p.Wait()
	if err == nil && !s.Success() {
		err = errors.New(s.String())
	}
	return err
}

// report is what the hostile program prints.
type report struct {
	Attempts    map[string]string // what went otherwise than it must
	Status      map[string]string // /proc/self/status
	Pids        []string
	Descriptors map[string]string
	Hostname    string
	Env         []string
	Cgroup      string
	Root        []string
	UID, GID    int
	Session     bool // the process leads its session
	Umask       int
	Limits      map[string]uint64
}

func hostile() {
	runtime.LockOSThread()
	r := report{Attempts: map[string]string{}, Status: map[string]string{}, Descriptors: map[string]string{}, Limits: map[string]uint64{}}
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		k, v, _ := strings.Cut(line, ":")
		r.Status[k] = strings.TrimSpace(v)
	}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if strings.Trim(e.Name(), "0123456789") == "" {
			r.Pids = append(r.Pids, e.Name())
		}
	}
	entries, _ = os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.Contains(target, "anon_inode") { // Go's poller
			r.Descriptors[e.Name()] = target
		}
	}
	entries, _ = os.ReadDir("/")
	for _, e := range entries {
		r.Root = append(r.Root, e.Name())
	}
	r.Hostname, _ = os.Hostname()
	r.Env = os.Environ()
	b, _ = os.ReadFile("/proc/self/cgroup")
	r.Cgroup = string(b)
	r.UID, r.GID = os.Getuid(), os.Getgid()
	sid, _ := unix.Getsid(0)
	r.Session = sid == os.Getpid()
	for name, resource := range map[string]int{"nofile": unix.RLIMIT_NOFILE, "nproc": unix.RLIMIT_NPROC, "core": unix.RLIMIT_CORE} {
		var l unix.Rlimit
		unix.Getrlimit(resource, &l)
		r.Limits[name] = l.Max
	}
	r.Umask = unix.Umask(0)
	for name, a := range attempts {
		err := a.try()
		ok := err == nil && len(a.want) == 0
		for _, want := range a.want {
			ok = ok || errors.Is(err, want)
		}
		if !ok {
			r.Attempts[name] = fmt.Sprintf("%v, want %v", err, a.want)
		}
	}
	json.NewEncoder(os.Stdout).Encode(r)
}

// self puts this test program into a code directory.
func self(t *testing.T) string {
	t.Helper()
	dir := code(t, "")
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(dir, "program"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestHostileProgram(t *testing.T) {
	nstest.NoLeaks(t)
	variants(t, func(t *testing.T, with func(setup) setup) {
		// A descriptor without close-on-exec in the lab must not get in.
		fd, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		o := newOutput()
		c := with(config(t, ""))
		c.Code, c.Command, c.Output, c.Env = self(t), []string{"/var/task/program", hostileArg}, o, []string{"ONLY=this"}
		if e := await(t, start(t, c)); e.Code != 0 {
			t.Fatalf("%v\n%s", e, o)
		}
		var r report
		if err := json.Unmarshal([]byte(o.String()), &r); err != nil {
			t.Fatalf("%v\n%s", err, o)
		}
		for name, outcome := range r.Attempts {
			t.Errorf("%s: %s", name, outcome)
		}
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
			if r.Status[set] != "0000000000000000" {
				t.Errorf("%s is %q", set, r.Status[set])
			}
		}
		for key, want := range map[string]string{"NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": "1", "Pid": "1"} {
			if r.Status[key] != want {
				t.Errorf("%s is %q, want %s", key, r.Status[key], want)
			}
		}
		if c.UID != 0 && r.Status["Groups"] != "" {
			t.Errorf("supplementary groups %q", r.Status["Groups"])
		}
		if r.UID != int(c.UID) || r.GID != int(c.GID) {
			t.Errorf("ids %d:%d, want %d:%d", r.UID, r.GID, c.UID, c.GID)
		}
		if !slices.Equal(r.Pids, []string{"1"}) {
			t.Errorf("it sees the processes %v", r.Pids)
		}
		if fds := slices.Sorted(maps.Keys(r.Descriptors)); len(fds) > 4 || slices.ContainsFunc(fds, func(fd string) bool {
			target := r.Descriptors[fd]
			return target != "/dev/null" && !strings.HasPrefix(target, "pipe:") && !strings.HasPrefix(target, "/proc/")
		}) {
			t.Errorf("it has the descriptors %v", r.Descriptors)
		}
		if host, _ := os.Hostname(); r.Hostname != "sandbox" || r.Hostname == host {
			t.Errorf("it sees the host name %q", r.Hostname)
		}
		if !slices.Equal(r.Env, c.Env) {
			t.Errorf("environment %v", r.Env)
		}
		if !r.Session || r.Umask != 0o022 {
			t.Errorf("leads its session: %v, umask %#o", r.Session, r.Umask)
		}
		if want := map[string]uint64{"nofile": 1024, "nproc": 1024, "core": 0}; !maps.Equal(r.Limits, want) {
			t.Errorf("limits %v, want %v", r.Limits, want)
		}
		for line := range strings.Lines(r.Cgroup) {
			if !strings.HasSuffix(line, ":/\n") {
				t.Errorf("it sees where it is in the host's control groups: %q", line)
			}
		}
		if extra := without(r.Root, "bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "opt", "proc", "sbin", "tmp", "usr", "var"); len(extra) > 0 {
			t.Errorf("/ has %v", extra)
		}
	})
}

func without(a []string, b ...string) []string {
	return slices.DeleteFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// Two environments of the same lab do not see each other's processes, files or messages.
func TestEnvironmentsAreApart(t *testing.T) {
	nstest.NoLeaks(t)
	variants(t, func(t *testing.T, with func(setup) setup) {
		first := newOutput()
		c := with(config(t, "echo secret > /tmp/file; sleep 1000 & echo up; wait"))
		c.Output = first
		start(t, c)
		first.await(t, "up")
		second := newOutput()
		c = with(config(t, "ls /tmp; cat /proc/[0-9]*/cmdline; kill -0 2 2>&1; true"))
		c.Output = second
		if e := await(t, start(t, c)); e.Code != 0 || !strings.Contains(second.String(), "No such process") || strings.Contains(second.String(), "sleep") || strings.Contains(second.String(), "file") {
			t.Errorf("%v: %s", e, second)
		}
	})
}

func TestSetuidProgramGivesNothing(t *testing.T) {
	nstest.NoLeaks(t)
	if nstest.Rootless() {
		t.Skip("a set-user-id program cannot be made here")
	}
	c := config(t, "")
	c.Code = self(t)
	program := c.Code + "/program"
	if err := os.Chmod(program, 0o4755); err != nil {
		t.Fatal(err)
	}
	o := newOutput()
	c.Output, c.Command = o, []string{"/var/task/program", hostileArg}
	await(t, start(t, c))
	var r report
	if err := json.Unmarshal([]byte(o.String()), &r); err != nil {
		t.Fatal(err)
	}
	if ids := strings.Fields(r.Status["Uid"]); slices.Contains(ids, "0") || len(ids) != 4 {
		t.Errorf("it ran with the ids %v", ids)
	}
	if got := run(t, "/usr/bin/su -c id < /dev/null 2>&1; echo; id -u"); !strings.HasSuffix(got, "\n61001\n") || strings.Contains(got, "uid=0") {
		t.Errorf("su: %s", got)
	}
}

func TestTmpIsLimited(t *testing.T) {
	nstest.NoLeaks(t)
	variants(t, func(t *testing.T, with func(setup) setup) {
		o := newOutput()
		c := with(config(t, "for i in 1 2 3; do head -c 400000 /dev/zero > /tmp/$i || echo full; done 2>&1; grep ' /tmp ' /proc/mounts"))
		c.TmpSize, c.Output = 1<<20, o
		await(t, start(t, c))
		if got := o.String(); !strings.Contains(got, "No space left on device\nfull\n") || !strings.Contains(got, "nosuid,nodev") || strings.Contains(got, "noexec") {
			t.Error(got)
		}
	})
}

// Nothing that is started and fails leaves a mount behind, and what runs does not show in the lab's mounts.
func TestMountsStayInside(t *testing.T) {
	nstest.NoLeaks(t)
	mounts := func() string {
		b, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	before := mounts()
	c := config(t, "sleep 1000")
	p := start(t, c)
	if mounts() != before {
		t.Error("the lab's mounts changed while an environment runs")
	}
	p.Close()
	c.Command = []string{"/nonexistent"}
	if _, err := launch(t.Context(), c); err == nil {
		t.Error("started nothing")
	}
	if mounts() != before {
		t.Error("the lab's mounts changed after a failed start")
	}
}

// The public interpreters run unharmed: threads, processes, sockets, names, certificates.
func TestInterpreters(t *testing.T) {
	nstest.NoLeaks(t)
	for name, tt := range map[string]struct{ program, script string }{
		"python": {"/usr/bin/python3", `
import os, pwd, socket, subprocess, ssl, sys, tempfile, threading, json, urllib.request, hashlib
assert pwd.getpwuid(os.getuid()).pw_name == "sbx_user"
threads = [threading.Thread(target=lambda: hashlib.sha256(b"x" * 1000000)) for _ in range(20)]
[t.start() for t in threads]; [t.join() for t in threads]
assert subprocess.run(["echo", "hi"], capture_output=True).stdout == b"hi\n"
assert tempfile.TemporaryFile().write(b"x") == 1
assert socket.getaddrinfo("localhost", 80)
a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
ssl.create_default_context()
assert len(os.urandom(8)) == 8 and os.cpu_count() > 0
print("fine")`},
		"node": {"/usr/bin/node", `
const cp = require("child_process"), fs = require("fs"), os = require("os"), dns = require("dns"), { Worker } = require("worker_threads"), http = require("http");
if (cp.execSync("echo hi").toString() !== "hi\n") throw 1;
fs.writeFileSync("/tmp/f", "x"); os.cpus(); os.networkInterfaces(); os.totalmem(); os.userInfo();
new Worker("require('crypto').pbkdf2Sync('a','b',1000,32,'sha256')", { eval: true }).on("exit", () =>
  dns.lookup("localhost", (err) => { if (err) throw err;
    fs.promises.readFile("/var/task/bootstrap").then(() => {
      const s = http.createServer((q, r) => r.end("ok")).on("error", e => { throw e }).listen("/tmp/sock", () =>
        http.get({ socketPath: "/tmp/sock" }, r => r.on("data", () => { console.log("fine"); process.exit(0) }))); }); }));`},
		"bash": {"/bin/bash", `
set -e; x=$(echo hi | cat); [[ $x == hi ]]; (sleep 0.01) & wait; read -r a < <(echo y); [[ $a == y ]]; cat <<< here > /tmp/h; ls -la / > /dev/null; date > /dev/null; echo fine`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat(tt.program); err != nil {
				t.Skip(err)
			}
			variants(t, func(t *testing.T, with func(setup) setup) {
				o := newOutput()
				c := with(config(t, ""))
				c.Code, c.Output = code(t, "#!"+tt.program+"\n"+tt.script), o
				if e := await(t, start(t, c)); e.Code != 0 || o.String() != "fine\n" {
					t.Errorf("%v\n%s", e, o)
				}
			})
		})
	}
}
