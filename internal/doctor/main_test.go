package doctor

import (
	"os"
	"testing"
)

// TestMain is also what the check of another user executes.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		os.Exit(0)
	}
	os.Exit(m.Run())
}
