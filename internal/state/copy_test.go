package state_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/state"
)

// What is wrong with a copied file is told of the file that was copied, which stays as it is.
func TestCopyIsToldAsTheFileItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab", "state.db")
	db, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err = state.OpenCopy(path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("no state"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = state.OpenCopy(path, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "'enilab down --name lab'") {
		t.Errorf("got %v", err)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != "no state" {
		t.Errorf("the file is %q now, %v", now, err)
	}
}
