package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// CgroupLabs lists the labs that have control groups, dead or alive.
func CgroupLabs() (labs []string, err error) {
	hierarchies, err := findHierarchies()
	if err != nil {
		return nil, err
	}
	for _, h := range hierarchies {
		entries, err := os.ReadDir(filepath.Join(h.mount, cgroupTop))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() {
				labs = append(labs, e.Name())
			}
		}
	}
	slices.Sort(labs)
	return slices.Compact(labs), nil
}
