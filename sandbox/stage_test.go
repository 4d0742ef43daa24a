package sandbox

import (
	"flag"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the golden texts anew")

// TestStage holds what an environment's first moments are made of, call by call, against golden text.
func TestStage(t *testing.T) {
	m := machine{lastCapability: 2, limits: map[int]uint64{}, masks: []mask{{"/proc/kcore", "/dev/null", true}, {"/proc/acpi", "/opt", false}}}
	m.watches = []watchBound{{"user.max_inotify_instances", "16"}, {"user.max_inotify_watches", "1024"}}
	for _, r := range resources {
		m.limits[r.resource] = 1 << 40
	}
	m.limits[unix.RLIMIT_NOFILE] = 512
	for name, tt := range map[string]struct {
		plan plan
		e    entries
	}{
		"uid":    {plan{uid: 61001, gid: 61002, processes: 20, tmp: 1 << 20, hostname: "env-1"}, entries{status: 7, joins: []int{8, 9}, ids: -1}},
		"userns": {plan{processes: 1024, tmp: 512 << 20, hostname: "sandbox"}, entries{status: 7, ids: 8, gate: 9}},
	} {
		t.Run(name, func(t *testing.T) {
			s := emptyStage(t)
			s.plan(&tt.plan, &m, tt.e)
			got, path := s.String(), "testdata/stage-"+name+".txt"
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestStageHasRoom: a machine with every capability and mask that there may be.
func TestStageHasRoom(t *testing.T) {
	const most = "2147483647"
	m := machine{lastCapability: 63, watches: []watchBound{{"user.max_inotify_instances", most}, {"user.max_inotify_watches", most}}}
	for _, name := range append(maskedFiles, maskedDirs...) {
		m.masks = append(m.masks, mask{path: "/proc/" + name, with: "/dev/null"})
	}
	s := emptyStage(t)
	s.plan(&plan{processes: 1 << 62, tmp: 1 << 62, hostname: strings.Repeat("h", 255)}, &m, entries{joins: make([]int, maxJoins), ids: 1, gate: 2})
}

func emptyStage(t *testing.T) *stage {
	t.Helper()
	s, err := newStage()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
