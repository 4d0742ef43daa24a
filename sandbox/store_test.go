package sandbox

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"enilab/internal/nstest"
)

func TestStore(t *testing.T) {
	nstest.NoLeaks(t)
	s := Store{Dir: filepath.Join(t.TempDir(), "made", "by-put")}
	code, err := s.Put("fn.zip", strings.NewReader("hello"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Code{"fn.zip", sha256.Sum256([]byte("hello")), 5}); code != want {
		t.Errorf("put %v, want %v", code, want)
	}
	// echo -n hello | openssl dgst -sha256 -binary | base64
	if got, want := code.CodeSha256(), "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="; got != want {
		t.Errorf("CodeSha256 %s, want %s", got, want)
	}
	f, err := s.Open("fn.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Code != code {
		t.Errorf("opened %v, put %v", f.Code, code)
	}

	// What is open stays what it was.
	next, err := s.Put("fn.zip", strings.NewReader("other"), 5)
	if err != nil || next.SHA256 == code.SHA256 {
		t.Errorf("replaced: %v, %v", next, err)
	}
	if b, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size)); err != nil || string(b) != "hello" {
		t.Errorf("read %q, %v from the replaced file", b, err)
	}
	sameFiles(t, s.Dir, map[string]string{"fn.zip": "-rw-r--r-- other"})

	if err := s.Delete("fn.zip"); err != nil {
		t.Error(err)
	}
	sameFiles(t, s.Dir, map[string]string{})
	for name, err := range map[string]error{"delete": s.Delete("fn.zip"), "open": openError(s, "fn.zip")} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `"fn.zip"`) {
			t.Errorf("%s what is not there: %v", name, err)
		}
	}
}

func openError(s Store, key string) error {
	f, err := s.Open(key)
	if err == nil {
		f.Close()
	}
	return err
}

func TestPutIsAllOrNothing(t *testing.T) {
	nstest.NoLeaks(t)
	s := Store{Dir: t.TempDir()}
	if _, err := s.Put("fn", strings.NewReader("old"), 0); err != nil {
		t.Fatal(err)
	}
	_, err := s.Put("fn", io.MultiReader(strings.NewReader("ne"), iotest.ErrReader(io.ErrNoProgress)), 0)
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("err = %v", err)
	}
	_, err = s.Put("fn", strings.NewReader("12345678"), 7)
	if bad, ok := errors.AsType[*ArchiveError](err); !ok || !strings.Contains(err.Error(), `"fn"`) || !strings.Contains(bad.Reason, "more than the 7") {
		t.Errorf("err = %v", err)
	}
	sameFiles(t, s.Dir, map[string]string{"fn": "-rw-r--r-- old"})
	if code, err := s.Put("fn", strings.NewReader("12345678"), math.MaxInt64); err != nil || code.Size != 8 {
		t.Errorf("without a bound: %v, %v", code, err)
	}
}

func TestStoreKeys(t *testing.T) {
	nstest.NoLeaks(t)
	parent := t.TempDir()
	s := Store{Dir: filepath.Join(parent, "store")}
	for _, key := range []string{
		"", ".", "..", ".hidden", "../store/x", "a/b", "/etc/passwd", `a\b`, "a\x00b", "a b", "a\n", "-rf", "_x", "é",
		strings.Repeat("k", maxKey+1),
	} {
		_, err := s.Put(key, strings.NewReader("x"), 0)
		for name, err := range map[string]error{"put": err, "open": openError(s, key), "delete": s.Delete(key)} {
			if !errors.Is(err, ErrKey) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "letters, digits") {
				t.Errorf("%s %q: %v", name, key, err)
			}
		}
	}
	sameFiles(t, parent, map[string]string{})
	for _, key := range []string{"a", "0", "my-fn_1.2.zip", "a..b", strings.Repeat("k", maxKey)} {
		if _, err := s.Put(key, strings.NewReader("x"), 0); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
}

// Whatever somebody left in the directory, opening it neither hangs nor reads what is no file.
func TestStoreOpensOnlyFiles(t *testing.T) {
	nstest.NoLeaks(t)
	s := Store{Dir: t.TempDir()}
	if err := syscall.Mkfifo(filepath.Join(s.Dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.Dir, "dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"pipe", "dir"} {
		if err := openError(s, key); err == nil || !strings.Contains(err.Error(), "not a file") {
			t.Errorf("%s: %v", key, err)
		}
	}
	// A link that the store's owner made is theirs to make.
	target := filepath.Join(t.TempDir(), "build.zip")
	if err := os.WriteFile(target, []byte("built"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(s.Dir, "link")); err != nil {
		t.Fatal(err)
	}
	f, err := s.Open("link")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.SHA256 != sha256.Sum256([]byte("built")) {
		t.Error("wrong hash through a link")
	}
}

func FuzzStoreKey(f *testing.F) {
	for _, key := range []string{"fn.zip", "", ".", "..", "../decoy", "/tmp/x", "a/../b", "a\x00", ".put-1", strings.Repeat("k", 129), "Ünïcode"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		parent := t.TempDir()
		s := Store{Dir: filepath.Join(parent, "store")}
		if err := os.Mkdir(s.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(parent, "decoy"), []byte("decoy"), 0o644); err != nil {
			t.Fatal(err)
		}
		empty := filesBelow(t, parent)
		code, err := s.Put(key, bytes.NewReader([]byte("code")), 0)
		if err != nil {
			if !errors.Is(err, ErrKey) || !errors.Is(openError(s, key), ErrKey) || !errors.Is(s.Delete(key), ErrKey) {
				t.Errorf("%q: %v", key, err)
			}
			sameFiles(t, parent, empty)
			return
		}
		stored := filesBelow(t, parent)
		if len(stored) != len(empty)+1 || stored["store/"+key] != "-rw-r--r-- code" {
			t.Errorf("%q made %q", key, stored)
		}
		got, err := s.Open(key)
		if err != nil {
			t.Fatal(err)
		}
		if got.Close(); got.Code != code {
			t.Errorf("%q: opened %v, put %v", key, got.Code, code)
		}
		if err := s.Delete(key); err != nil {
			t.Error(err)
		}
		sameFiles(t, parent, empty)
	})
}
