package memory

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/nstest"
	"enilab/internal/testlab"
)

const unlimited = "9223372036854771712\n" // what version 1 says

// v1 and v2 are a group's files.
func v1(limit, used, cached string) map[string]string {
	return map[string]string{"memory.limit_in_bytes": limit, "memory.usage_in_bytes": used, "memory.stat": "cache 9\ninactive_file 1\ntotal_inactive_file " + cached + "\n"}
}

func v2(limit, high, used, cached string) map[string]string {
	return map[string]string{"memory.max": limit, "memory.high": high, "memory.current": used, "memory.stat": "anon 7\ninactive_file " + cached + "\n"}
}

func TestAvailable(t *testing.T) {
	const (
		memory  = "30 20 0:26 / ROOT/memory rw - cgroup cgroup rw,memory\n"
		both    = "30 20 0:26 / ROOT/both rw - cgroup cgroup rw,cpu,memory\n"
		unified = "31 20 0:27 / ROOT/unified rw shared:9 - cgroup2 cgroup2 rw\n"
		others  = "20 1 8:1 / / rw - ext4 /dev/sda rw\n29 20 0:25 / ROOT/pids rw - cgroup cgroup rw,pids\n"
	)
	for name, c := range map[string]struct {
		own, mounts string
		files       map[string]map[string]string // directory → file → text
		want        int64
	}{
		"the machine alone":           {"0::/\n", others + unified, map[string]map[string]string{"unified": {}}, 8_000 << 10},
		"no control groups":           {"", others, nil, 8_000 << 10},
		"version 1":                   {"4:memory:/a\n0::/\n", memory, map[string]map[string]string{"memory": v1(unlimited, "1", "0"), "memory/a": v1("1000000\n", "900000", "50000")}, 150_000},
		"beside another controller":   {"4:cpu,memory:/a\n", both, map[string]map[string]string{"both": v1(unlimited, "1", "0"), "both/a": v1("1000", "900", "0")}, 100},
		"a group above is tighter":    {"4:memory:/a/b\n", memory, map[string]map[string]string{"memory": v1(unlimited, "1", "0"), "memory/a": v1("2000", "1990", "5"), "memory/a/b": v1("1000", "10", "0")}, 15},
		"version 2":                   {"0::/a/b\n", unified, map[string]map[string]string{"unified": {}, "unified/a": v2("5000", "max", "1000", "10"), "unified/a/b": v2("max", "max", "1", "0")}, 4010},
		"memory.high":                 {"0::/a\n", unified, map[string]map[string]string{"unified": {}, "unified/a": v2("5000", "3000", "1000", "0")}, 2000},
		"more is used than may be":    {"0::/a\n", unified, map[string]map[string]string{"unified": {}, "unified/a": v2("max", "3000", "4000", "0")}, 0},
		"memory is not handed on":     {"0::/a/b\n", unified, map[string]map[string]string{"unified": {}, "unified/a": v2("5000", "max", "1000", "0"), "unified/a/b": {}}, 4000},
		"a container's own view":      {"0::/pod/c\n", strings.Replace(unified, " / ", " /pod/c ", 1), map[string]map[string]string{"unified": v2("700", "max", "100", "0")}, 600},
		"a group outside of the view": {"0::/../other\n", strings.Replace(unified, " / ", " /pod ", 1), map[string]map[string]string{"unified": v2("700", "max", "200", "0")}, 500},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			proc := filepath.Join(root, "proc")
			files := maps.Clone(c.files)
			if files == nil {
				files = map[string]map[string]string{}
			}
			files["proc"] = map[string]string{"meminfo": "MemTotal:  16000 kB\nMemAvailable:   8000 kB\n"}
			files["proc/self"] = map[string]string{"cgroup": c.own}
			files["proc/thread-self"] = map[string]string{"mountinfo": strings.ReplaceAll(c.mounts, "ROOT", root)}
			for dir, list := range files {
				if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
					t.Fatal(err)
				}
				for file, text := range list {
					if err := os.WriteFile(filepath.Join(root, dir, file), []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			if got, err := Available(proc); err != nil || got != c.want {
				t.Errorf("%d, %v; want %d", got, err, c.want)
			}
		})
	}
}

// On this machine, in a group of its own that has little.
func TestAvailableHere(t *testing.T) {
	if dir := os.Getenv("ENILAB_TEST_GROUP"); dir != "" { // the process below
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0); err != nil {
			t.Fatal(err)
		}
		if n, err := Available("/proc"); err != nil || n <= 0 || n > 50<<20 {
			t.Errorf("%d, %v; want something up to 50 MiB", n, err)
		}
		return
	}
	if n, err := Available("/proc"); err != nil || n <= 0 {
		t.Errorf("%d, %v", n, err)
	}
	nstest.NeedRoot(t)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^TestAvailableHere$")
	cmd.Env = append(os.Environ(), "ENILAB_TEST_GROUP="+testlab.MemoryGroup(t, "memory", 50<<20))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
