package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"enilab/internal/runtimes"

	"golang.org/x/sys/unix"
)

// What a machine should have. One descriptor holds one slot.
const (
	minDescriptors    = 256  // the demo's own
	usefulDescriptors = 4096 // below it, warn
)

// Host looks at the machine as the user who called: rights, limits, programs.
func Host(ctx context.Context) []Check {
	return slices.Concat(run(ctx, []probe{
		{name: "rights", try: rights},
		descriptors,
		iptablesRestore,
		redisServer,
		{name: "bash", try: bash, fix: "sudo apt-get install bash"},
	}), managedRuntimes(ctx, runtimes.NewMachine("/")))
}

// managedRuntimes tells which interpreters run them. A lab runs without: functions may bring their own.
func managedRuntimes(ctx context.Context, m *runtimes.Machine) (checks []Check) {
	for _, l := range m.Languages(ctx) {
		c := Check{Name: l.Name + " runtimes", Status: OK}
		var found []string
		for _, i := range l.Interpreters {
			found = append(found, i.Version+" ("+i.Path+")")
		}
		if c.Detail = strings.Join(found, ", "); found == nil {
			c.Status, c.Detail, c.Fix = Info, fmt.Sprintf("functions of %s are refused: %v", strings.Join(l.Runtimes, ", "), l.Missing), "sudo apt-get install "+l.Package
		}
		checks = append(checks, c)
	}
	return checks
}

var (
	descriptors     = probe{name: "open files", try: openFiles, fix: "ulimit -n, or LimitNOFILE= of the service that started this shell"}
	iptablesRestore = probe{name: "iptables-restore", try: hostProgram("iptables-restore", "--version"), fix: "sudo apt-get install iptables"}
	redisServer     = probe{name: "redis-server", try: redis, fix: "scripts/deps.sh demo (installs redis-server without starting it)"}
)

// rights are root's, or user namespaces that give the rights inside.
func rights(ctx context.Context) (string, error) {
	if os.Geteuid() == 0 {
		return "root", nil
	}
	if err := tryUserNamespace(ctx); err != nil {
		return "", finding{error: fmt.Errorf("not root, and user namespaces are not allowed: %w", err), fix: userNamespaceFix("/proc/sys")}
	}
	return "not root: runs in user namespaces, without cgroup limits", nil
}

// userNamespaceFix names the switch that this distribution has.
func userNamespaceFix(proc string) string {
	for _, s := range []struct{ key, bad, good string }{
		{"kernel/unprivileged_userns_clone", "0", "1"},             // Debian
		{"kernel/apparmor_restrict_unprivileged_userns", "1", "0"}, // Ubuntu
		{"user/max_user_namespaces", "0", "15000"},                 // hardening guides
		{"user/max_net_namespaces", "0", "15000"},                  // likewise
		{"kernel/userns_restrict_unprivileged", "1", "0"},          // older hardening patches
	} {
		value, err := os.ReadFile(filepath.Join(proc, s.key))
		if err == nil && strings.TrimSpace(string(value)) == s.bad {
			return fmt.Sprintf("use sudo, or: sudo sysctl %s=%s", strings.ReplaceAll(s.key, "/", "."), s.good)
		}
	}
	return "use sudo"
}

func openFiles(context.Context) (string, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return "", os.NewSyscallError("getrlimit", err)
	}
	if limit.Max < minDescriptors {
		return "", fmt.Errorf("at most %d, and the lab needs %d", limit.Max, minDescriptors)
	}
	if limit.Max < usefulDescriptors {
		return "", finding{error: fmt.Errorf("at most %d; one holds one slot, so pools stay small", limit.Max), status: Warn}
	}
	return fmt.Sprintf("at most %d; one holds one slot", limit.Max), nil
}

// hostProgram finds one and has it tell its version.
func hostProgram(name, versionFlag string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", errors.New("not found in PATH")
		}
		out, err := exec.CommandContext(ctx, path, versionFlag).Output()
		if err != nil {
			return "", fmt.Errorf("%s %s: %w", path, versionFlag, err)
		}
		first, _, _ := bytes.Cut(out, []byte("\n"))
		return string(first), nil
	}
}

// oldestRedis has the settings that the lab's Redis servers are started with (netlab.RedisCommand).
const oldestRedis = 7

// redis finds a server that is new enough. Its first line is such as "Redis server v=7.0.15 sha=…".
func redis(ctx context.Context) (string, error) {
	says, err := hostProgram("redis-server", "--version")(ctx)
	if err != nil {
		return "", err
	}
	var major int
	if _, version, found := strings.Cut(says, " v="); found {
		_, _ = fmt.Sscanf(version, "%d.", &major) // of what is no number nothing is known, and it may do
	}
	if major > 0 && major < oldestRedis {
		return "", finding{
			error: fmt.Errorf("%s: the lab needs Redis %d, which can keep clients from DEBUG, MODULE and files", says, oldestRedis),
			fix:   "install a newer redis-server: Debian has one since release 12, Ubuntu since 24.04; or see https://redis.io/downloads/",
		}
	}
	return says, nil
}

// bash is what functions find as /bin/sh, as on Amazon Linux, if the sandbox can take it from where it looks.
func bash(context.Context) (string, error) {
	const path = "/bin/bash"
	if _, err := os.Stat(path); err != nil {
		return "", finding{error: fmt.Errorf("no %s: functions have this machine's own sh as /bin/sh, where AWS has bash", path), status: Warn}
	}
	return path + " is the functions' /bin/sh", nil
}
