package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/state"

	"go.etcd.io/bbolt"
)

// sample is a file of some depth, with free pages, overflow and small tables within their entries.
func sample(t *testing.T) (path string, want map[string]map[string]record) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "blue", "state.db")
	db := open(t, path)
	want = map[string]map[string]record{}
	for table, n := range map[string]int{"big": 600, "small": 3, "wide": 4} {
		want[table] = map[string]record{}
		err := db.Update(func(tx *state.Tx) error {
			for i := range n {
				r := record{strings.Repeat("x", map[string]int{"big": 60, "wide": 9000}[table]), i}
				want[table][fmt.Sprint(i)] = r
				if err := state.TableOf[record](db, table).In(tx).Put(fmt.Sprint(i), r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		key := fmt.Sprint(3 * i)
		delete(want["big"], key)
		if err := state.TableOf[record](db, "big").Delete(key); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path, want
}

// tryOpen puts damaged content in path's place. It is to be refused and left, or to be read right.
func tryOpen(t *testing.T, path string, content []byte, want map[string]map[string]record) (refused bool) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := state.Open(path)
	if err != nil {
		if !strings.Contains(err.Error(), path) {
			t.Errorf("the error does not name the file: %v", err)
		}
		if !errors.Is(err, state.ErrCorrupt) && !errors.Is(err, state.ErrNewer) {
			t.Errorf("%v", err)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, content) {
			t.Errorf("it was refused and changed (%v)", err)
		}
		return true
	}
	for table := range want {
		if got := all(t, db, table); !maps.Equal(got, want[table]) {
			t.Errorf("table %s: %d records, not the %d that were put", table, len(got), len(want[table]))
		}
	}
	if err := errors.Join(state.TableOf[record](db, "new").Put("k", record{}), db.Close()); err != nil {
		t.Error(err)
	}
	return false
}

func TestCorruptFileIsRefused(t *testing.T) {
	path, want := sample(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if tryOpen(t, path, good, want) {
		t.Fatal("the sample is refused")
	}
	page := os.Getpagesize()
	changed := func(change func(b []byte)) []byte {
		b := bytes.Clone(good)
		change(b)
		return b
	}
	for name, content := range map[string][]byte{
		"empty":         {},
		"a byte":        good[:1],
		"a page":        good[:page],
		"two pages":     good[:2*page],
		"half":          good[:len(good)/2],
		"text":          []byte(strings.Repeat("no database\n", 1000)),
		"zeroed header": changed(func(b []byte) { clear(b[:page]) }),
		"zeroed second": changed(func(b []byte) { clear(b[page : 2*page]) }),
		"zeroed":        make([]byte, len(good)),
	} {
		t.Run(name, func(t *testing.T) {
			if !tryOpen(t, path, content, want) {
				t.Error("it passed")
			}
		})
	}
	if _, err := state.Open(path); err == nil || !strings.Contains(err.Error(), "enilab down --name blue") {
		t.Errorf("it names no way out: %v", err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for i := range 800 {
		content := changed(func(b []byte) {
			switch at := random.IntN(len(b)); i % 4 {
			case 0: // one bit
				b[at] ^= 1 << random.IntN(8)
			case 1: // in a page's header or among its first elements, where it hurts
				b[at/page*page+random.IntN(64)] ^= byte(1 + random.IntN(255))
			case 2: // garbage for a page
				for j := range b[at/page*page:][:page] {
					b[at/page*page+j] = byte(random.Uint32())
				}
			case 3: // a page where another was
				copy(b[at/page*page:][:page], b[random.IntN(len(b)/page)*page:])
			}
		})
		if tryOpen(t, path, content, want) {
			refused++
		}
		if t.Failed() {
			t.Fatalf("change %d", i)
		}
	}
	t.Logf("%d refused", refused)
	if refused < 200 {
		t.Error("the changes hit nothing")
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path, want := sample(t)
	bolt, err := bbolt.Open(path, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = bolt.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(".meta")).Put([]byte("header"), []byte(`{"schema":2,"version":"v9","more":true}`))
	})
	if err := errors.Join(err, bolt.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !tryOpen(t, path, content, want) {
		t.Error("it passed")
	}
	if _, err := state.Open(path); !errors.Is(err, state.ErrNewer) || !strings.Contains(err.Error(), "v9") {
		t.Errorf("got %v", err)
	}
}

// The check believes nothing that a file says: it neither fails nor hangs on any content.
func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "state.db")
	db, err := state.Open(path)
	if err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(state.TableOf[record](db, "t").Put("k", record{"n", 1}), db.Close()); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	page := os.Getpagesize()
	good = good[:6*page]
	f.Add(uint(0), []byte{})
	f.Add(uint(3*page), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, at uint, change []byte) {
		b := bytes.Clone(good)
		copy(b[at%uint(len(b)):], change)
		tryOpen(t, filepath.Join(t.TempDir(), "state.db"), b, map[string]map[string]record{"t": {"k": {"n", 1}}})
	})
}
