package hoststate

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// volatile settings are counters in disguise.
var volatile = map[string]bool{"net/netfilter/nf_conntrack_count": true}

// settings reads what can be read below /proc/sys/net, which is the calling thread's namespace's.
func settings(_ context.Context, s *State) error {
	s.saw(Setting)
	return filepath.WalkDir("/proc/sys/net", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // directories of links come and go
		}
		key := strings.TrimPrefix(path, "/proc/sys/")
		if volatile[key] {
			return nil
		}
		if value, err := os.ReadFile(path); err == nil { // some are only for writing, or unset
			s.add(Setting, key, strings.TrimSpace(string(value)))
		}
		return nil
	})
}
