package e2e_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sh prepares a run of the program by way of a shell, which gives it odd surroundings. In the script, enilab is the
// program.
func (who identity) sh(script string) *run {
	return who.other("sh", "-c", strings.ReplaceAll(script, "enilab", enilab))
}

// Wherever and however it is started, it works.
func TestOddSurroundings(t *testing.T) {
	const brief = "exec enilab compare --runs 1 --burst 0 --format json"
	cases := []struct {
		name, script string
		silent       bool // stdout is closed
	}{
		{"read-only directory", "cd /proc/self && " + brief, false},
		{"deleted directory", `d=$(mktemp -d) && cd "$d" && rmdir "$d" && ` + brief, false},
		{"no environment", strings.Replace(brief, "exec", "exec env -i", 1), false},
		{"PATH of Debian's users", "PATH=/usr/local/bin:/usr/bin:/bin " + brief, false},
		{"no HOME, umask 077", "unset HOME; umask 077; " + brief, false},
		{"no TMPDIR", "TMPDIR=/nonexistent " + brief, false},
		{"no stdin", brief + " <&-", false},
		{"no stderr", brief + " 2>&-", false},
		{"no stdout", brief + " >&-", true},
		{"nothing open", "exec enilab " + strings.Join(small, " ") + " <&- >&- 2>&-", true},
		{"more open than it expects", brief + " 3</dev/null 4</dev/null 5</dev/null 9</dev/null", false},
		{"signals ignored", "trap '' INT HUP PIPE; " + brief, false},
		{"few open files", "ulimit -Sn 256; " + brief, false},
		{"relative path", `cd "$(dirname enilab)" && exec ./"$(basename enilab)" ` + strings.TrimPrefix(brief, "exec enilab "), false},
	}
	asEach(t, func(t *testing.T, who identity) {
		for i, c := range cases {
			if !who.takes(i) {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				keepsMachine(t, who)
				r := who.sh(c.script).do(t).want(t, 0)
				if r.stderr != "" {
					t.Errorf("stderr: %s", r.stderr)
				}
				if c.silent {
					return
				}
				if rep := parseReport(t, r); !*rep.HostUnchanged {
					t.Errorf("the host changed: %v", r)
				}
			})
		}
	})
}

// In a checkout below a home that only its owner may enter, as adduser makes them, servers and functions run all the same,
// though they are other users; and doctor says so beforehand.
func TestPrivateHome(t *testing.T) {
	asEach(t, func(t *testing.T, who identity) {
		keepsMachine(t, who)
		bin := filepath.Join(who.privateHome(t), "bin")
		r := who.other(filepath.Join(bin, "enilab"), "doctor").do(t).want(t, 0)
		if !strings.Contains(r.stdout, "ok    programs of another user: ") {
			t.Errorf("doctor has not tried it: %v", r)
		}
		who.other(filepath.Join(bin, "enilab"), "compare", "--runs", "1", "--burst", "0").do(t).want(t, 0)
	})
}

// privateHome is a directory of mode 0700 with the program, its example function and a project: a function's directory, a server,
// and another with a check, which are scripts. Whoever runs the program owns all that.
func (who identity) privateHome(t *testing.T) string {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	const bash = "../examples/functions/bash/"
	for _, file := range []struct{ to, from string }{
		{"bin/enilab", enilab},
		{"bin/functions/go.zip", filepath.Join(filepath.Dir(enilab), "functions", "go.zip")},
		{"project/server", enilab},
		{"project/hello/bootstrap", bash + "bootstrap"},
		{"project/hello/function.sh", bash + "function.sh"},
		{"project/packed.zip", filepath.Join(filepath.Dir(enilab), "functions", "go.zip")},
	} {
		to := filepath.Join(home, file.to)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), copyFile(to, file.from, 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	for name, script := range map[string]string{"idle": "exec sleep 100000", "check": `[ "$1" = 10.0.1.21 ]`} {
		if err := os.WriteFile(filepath.Join(home, "project", name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if c := who.credential; c != nil {
		for dir := home; ; dir = filepath.Dir(dir) {
			if dir == os.TempDir() || dir == "/" {
				break
			}
			if err := os.Chmod(dir, 0o711); err != nil {
				t.Fatal(err)
			}
		}
		if err := filepath.WalkDir(home, func(path string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Chown(path, int(c.Uid), int(c.Gid)), os.Chmod(path, 0o700))
		}); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

// A topology in such a home has its functions' code, its servers and their checks there.
func TestPrivateTopology(t *testing.T) {
	asEach(t, func(t *testing.T, who identity) {
		keepsMachine(t, who)
		home := who.privateHome(t)
		for _, program := range []string{"server", "idle", "check"} { // which others may execute, if they get there
			if err := os.Chmod(filepath.Join(home, "project", program), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(home, "project", "private.lab.yml")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(`
vpcs:
  vpc-a:
    cidr: 10.0.0.0/16
    subnets: {subnet-a: 10.0.1.0/24}
    securityGroups: {sg-a: {ingress: [all from anywhere]}}
    resources:
      own:
        command: [HOME/project/server, whoami, --listen, "{address}:80"]
        health: {port: 80}
        subnet: subnet-a
        securityGroups: [sg-a]
        address: 10.0.1.20
      script:
        command: [HOME/project/idle]
        health: {command: [HOME/project/check, "{address}"]}
        subnet: subnet-a
        securityGroups: [sg-a]
        address: 10.0.1.21
functions:
  hello: {code: ./hello, handler: function.handler, timeout: 60s, vpc: {subnets: [subnet-a], securityGroups: [sg-a]}}
  packed: {code: ./packed.zip, timeout: 60s, vpc: {subnets: [subnet-a], securityGroups: [sg-a]}}
`, "HOME", home)), 0o644); err != nil {
			t.Fatal(err)
		}
		verb := func(args ...string) result {
			t.Helper()
			r := who.other(filepath.Join(home, "bin", "enilab"), args...)
			r.Env = append(r.Env, "ENILAB_HOME="+filepath.Join(home, "labs"))
			return r.do(t)
		}
		defer func() { verb("down").want(t, 0) }() // before the clean-ups, when the test's context is over
		verb("up", "-t", file, "--listen", "127.0.0.1:0").want(t, 0)
		for _, f := range []string{"hello", "packed"} {
			r := verb("invoke", f, "--payload", `{"whoami":"http://10.0.1.20/"}`).want(t, 0)
			if !strings.Contains(r.stdout, `"whoami":"10.0.1.`) {
				t.Errorf("%s: %v", f, r)
			}
		}
		if r := verb("inspect", "resources").want(t, 0); strings.Count(r.stdout, " ok") != 2 {
			t.Errorf("one of them is not well: %v", r)
		}
	})
}

// A disk that is full is an error, not a success.
func TestFullOutput(t *testing.T) {
	keepsMachine(t)
	who := identities(t)[0]
	for _, args := range [][]string{small, quick, {"version"}, {"doctor"}, {"help"}, {"gc", "--dry-run"}} {
		r := who.sh(`exec enilab ` + strings.Join(args, " ") + ` >/dev/full`).do(t)
		r.want(t, 1, "enilab: ", "no space left")
	}
}

// What the lab needs and the machine lacks is named, with the package that brings it.
func TestMissingPrograms(t *testing.T) {
	asEach(t, func(t *testing.T, who identity) {
		for program, fix := range map[string]string{"iptables-restore": "apt-get install iptables", "redis-server": "deps.sh"} {
			t.Run(program, func(t *testing.T) {
				keepsMachine(t, who)
				script := hidden(t, who, program)
				for _, args := range [][]string{small, quick} {
					who.sh(script+strings.Join(args, " ")).do(t).wantLine(t, 3, program, "not found", fix)
				}
				r := who.sh(script+"doctor").do(t).want(t, 3, "see the failed checks")
				if !strings.Contains(r.stdout, "fail  "+program) || !strings.Contains(r.stdout, "fix: ") {
					t.Errorf("doctor does not say what is missing: %v", r)
				}
			})
		}
	})
}

// hidden is the start of a script that runs the program where another cannot be found: something that is no program lies
// over it, in a mount namespace that ends with the script.
func hidden(t *testing.T, who identity, program string) string {
	t.Helper()
	found, err := exec.LookPath(program)
	if err != nil {
		found, err = exec.LookPath(filepath.Join("/usr/sbin", program))
	}
	if err != nil {
		t.Skipf("%s is missing here in earnest: %v", program, err)
	}
	target, err := filepath.EvalSymlinks(found)
	if err != nil {
		t.Fatal(err)
	}
	unshare := "unshare --mount"
	if who.rootless {
		unshare = "unshare --user --map-root-user --mount"
	}
	return `exec ` + unshare + ` sh -c 'mount --bind /dev/null ` + target + ` && exec enilab "$@"' sh `
}

// Without root and without user namespaces there is one line that says so, with the ways out.
func TestNoRights(t *testing.T) {
	for name, before := range map[string]string{
		"user namespaces used up":   `exec unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --inh-caps=-all --bounding-set=-all enilab "$@"' sh `,
		"root without capabilities": `exec unshare --user --map-root-user setpriv --inh-caps=-all --bounding-set=-all enilab `,
	} {
		t.Run(name, func(t *testing.T) {
			asEach(t, func(t *testing.T, who identity) {
				keepsMachine(t, who)
				for _, args := range [][]string{small, quick} {
					who.sh(before+strings.Join(args, " ")).do(t).wantLine(t, 3, "no rights", "sudo", "user.max_user_namespaces")
				}
				r := who.sh(before+"doctor").do(t).want(t, 3, "see the failed checks")
				if !strings.Contains(r.stdout, "fail  ") || !strings.Contains(r.stdout, "sudo") {
					t.Errorf("doctor does not say what is missing: %v", r)
				}
			})
		})
	}
}

// Root that has lost its capabilities is no more than a user.
func TestRootWithoutCapabilities(t *testing.T) {
	who := asRoot(t)
	keepsMachine(t)
	r := who.other("setpriv", append([]string{"--inh-caps=-all", "--bounding-set=-all", enilab}, quick...)...).do(t)
	if r.code == 3 {
		r.wantLine(t, 3, "no rights", "sudo")
		return
	}
	if rep := parseReport(t, r.want(t, 0)); !*rep.Host.Rootless {
		t.Errorf("it does not know that it is no root: %v", r)
	}
}

// Labs that run beside each other do not see each other, nor take each other for a change of the host.
func TestSeveralAtOnce(t *testing.T) {
	keepsMachine(t)
	var runs []*run
	for _, who := range identities(t) {
		runs = append(runs, who.command(small...).start(t), who.command(quick...).start(t))
	}
	for _, r := range runs {
		res := r.result(t).want(t, 0)
		if r.Args[1] == "compare" {
			if !*parseReport(t, res).HostUnchanged {
				t.Errorf("the host changed: %v", res)
			}
		} else if !strings.Contains(res.stdout, "\nHost unchanged.") {
			t.Errorf("the host changed: %v", res)
		}
	}
}

// Everything works inside namespaces that somebody else made, such as a container's.
func TestInsideUserNamespace(t *testing.T) {
	asEach(t, func(t *testing.T, who identity) {
		keepsMachine(t, who)
		r := who.other("unshare", append([]string{"--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", enilab}, quick...)...)
		rep := parseReport(t, r.do(t).want(t, 0))
		if !*rep.Host.Rootless || !*rep.HostUnchanged {
			t.Errorf("rootless %t, host unchanged %t; want both", *rep.Host.Rootless, *rep.HostUnchanged)
		}
	})
}

// The program does not hand its own descriptors on to the lab's servers.
func TestServersInheritNothing(t *testing.T) {
	who := asRoot(t)
	keepsMachine(t)
	r := who.command(append(slices.Clip(small), "--pause")...)
	enter, err := r.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	given, err := os.Open(enilab) // no server has a reason to have this open
	if err != nil {
		t.Fatal(err)
	}
	defer given.Close()
	for range 8 {
		r.ExtraFiles = append(r.ExtraFiles, given)
	}
	r.start(t)
	r.untilSaid(t, "NAME is one of")
	own := map[string]bool{enilab: true}
	for _, fd := range []string{"3", "4"} {
		target, err := os.Readlink(filepath.Join("/proc", itoa(r.inner()), "fd", fd))
		if err != nil || !strings.HasPrefix(target, "pipe:") {
			t.Errorf("descriptor %s of the inside is %q (%v), want a pipe to the outside", fd, target, err)
		}
		own[target] = true
	}
	servers := 0
	for _, pid := range descendants(r.inner()) {
		servers++
		fds, err := os.ReadDir(filepath.Join("/proc", itoa(pid), "fd"))
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			target, _ := os.Readlink(filepath.Join("/proc", itoa(pid), "fd", fd.Name())) // it may be closed by now
			if own[target] {
				t.Errorf("%s has %s open, as descriptor %s", describe(pid), target, fd.Name())
			}
		}
	}
	if servers < 5 {
		t.Errorf("%d servers found, want two for each tenant and the internet", servers)
	}
	enter.Close()
	r.result(t).want(t, 0)
}
