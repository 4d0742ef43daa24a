package labs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"enilab/internal/labs"
)

// TestKey is made once, for its user alone, and again if it was lost or half written.
func TestKey(t *testing.T) {
	dir := t.TempDir()
	p, err := labs.Roots{Run: filepath.Join(dir, "run"), State: filepath.Join(dir, "state")}.Of("blue")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Make(); err != nil {
		t.Fatal(err)
	}
	key := func() labs.Key {
		t.Helper()
		if err := p.MakeKey(); err != nil {
			t.Fatal(err)
		}
		k, err := labs.ReadKey(p.KeyFile())
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := key()
	if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(first.AccessKeyID) || len(first.SecretAccessKey) != 40 || first.Version != 1 {
		t.Errorf("%+v", first)
	}
	if info, err := os.Stat(p.KeyFile()); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if again := key(); again != first {
		t.Error("another the second time")
	}
	if err := os.WriteFile(p.KeyFile(), []byte(`{"Version":1,"Acc`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := labs.ReadKey(p.KeyFile()); err == nil {
		t.Error("half a key is read")
	}
	if again := key(); again == first || again.SecretAccessKey == "" {
		t.Errorf("half written: %+v", again)
	}
}
