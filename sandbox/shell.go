package sandbox

import (
	"path/filepath"

	"golang.org/x/sys/unix"
)

// shell is the sandbox's /bin/sh: bash, as on Amazon Linux, whatever the host has there. AWS's tutorial of a custom runtime
// begins with #!/bin/sh and needs it. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-walkthrough.html
type shell struct {
	bash string // the program, on the host
	at   string // where it is to lie, relative to the root
}

// findShell finds what has to lie over the host's sh, or nothing: its sh is bash already, or it has no bash. The host's /bin
// may be a link to usr/bin, and its sh one to dash: bash lies over the link itself, so that dash stays dash.
func findShell() (s shell, needed bool) {
	bash, err := filepath.EvalSymlinks("/bin/bash")
	if err != nil {
		return shell{}, false
	}
	dir, err := filepath.EvalSymlinks("/bin")
	if err != nil {
		return shell{}, false
	}
	at := filepath.Join(dir, "sh")
	now, err := filepath.EvalSymlinks(at)
	if err != nil || now == bash {
		return shell{}, false
	}
	return shell{bash, at[1:]}, true
}

// takeShell clones bash, to be attached over sh after the tree that holds it.
func (r *root) takeShell() error {
	s, needed := findShell()
	if !needed {
		return nil
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, s.bash, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fail("bind", s.bash, err)
	}
	r.trees = append(r.trees, tree{fd, s.at})
	return nil
}
