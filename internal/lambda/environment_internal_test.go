package lambda

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"enilab/sandbox"
)

// A full disk is no fault of the archive's.
func TestUnpackError(t *testing.T) {
	for err, want := range map[error]Code{
		errors.New("two entries have one name"):                            InvalidParameterValue,
		&fs.PathError{Op: "open", Path: "long", Err: syscall.ENAMETOOLONG}: InvalidParameterValue,
		&fs.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}:         ServiceException,
		fmt.Errorf("unpack: %w", syscall.EMFILE):                           ServiceException,
	} {
		if got := codeOf(unpackError(err)); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}

// A function fails to start by what is in its archive alone.
func TestSpawnError(t *testing.T) {
	for step, functions := range map[string]bool{"exec": true, "code": true, "mount": false, "init": false, "zygote": false, "process": false, "cgroup": false} {
		err := spawnError("id", fmt.Errorf("spawn: %w", &sandbox.StartError{Step: step, Reason: "reason"}))
		if got := errors.As(err, new(*initFailure)); got != functions {
			t.Errorf("a failure at the step %s is the function's: %v", step, got)
		}
		if failed := (slotFailure{}); !functions && (!errors.As(err, &failed) || codeOf(failed) != ServiceException) {
			t.Errorf("a failure at the step %s is %v", step, err)
		}
	}
}
