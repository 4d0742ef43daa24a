package lambda

import (
	"errors"
	"fmt"
	"testing"

	"enilab/sandbox"
)

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
