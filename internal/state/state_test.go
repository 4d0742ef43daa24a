package state_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"enilab/internal/state"
)

// writeArg makes this test program a writer that says what it has put, until it is killed.
const writeArg = "__write"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == writeArg {
		fmt.Fprintln(os.Stderr, write(os.Args[2]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

type record struct {
	Name string
	N    int
}

func open(t *testing.T, path string) *state.DB {
	t.Helper()
	db, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func all(t *testing.T, db *state.DB, table string) map[string]record {
	t.Helper()
	all, err := state.TableOf[record](db, table).All()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRecordsOutliveTheirDB(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "state.db")
	db := open(t, path)
	for name, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	functions, vpcs := state.TableOf[record](db, "functions"), state.TableOf[record](db, "vpcs")
	for i := range 500 {
		if err := functions.Put(fmt.Sprintf("f%d", i), record{"old", i}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 500 {
		var err error
		if key := fmt.Sprintf("f%d", i); i%2 == 0 {
			err = functions.Delete(key)
		} else {
			err = functions.Put(key, record{"new", i})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{vpcs.Put("v", record{"blue", 1}), vpcs.Delete("none"), db.Set("boot", "x"), db.Set("realm", "y"), db.Set("realm", "")} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := functions.Put("late", record{}); err == nil {
		t.Error("a closed DB took a record")
	}

	db = open(t, path)
	got := all(t, db, "functions")
	if len(got) != 250 || got["f7"] != (record{"new", 7}) {
		t.Errorf("%d functions, f7 %v", len(got), got["f7"])
	}
	if got := all(t, db, "vpcs"); !maps.Equal(got, map[string]record{"v": {"blue", 1}}) {
		t.Errorf("vpcs: %v", got)
	}
	for name, want := range map[string]string{"boot": "x", "realm": "", "none": ""} {
		if got, err := db.Get(name); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("files: %v", left)
	}
}

func TestUpdateIsAllOrNone(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	a, b := state.TableOf[record](db, "a"), state.TableOf[record](db, "b")
	if err := a.Put("old", record{}); err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	for _, want := range []error{no, nil} {
		err := db.Update(func(tx *state.Tx) error {
			if err := errors.Join(a.In(tx).Delete("old"), a.In(tx).Put("k", record{N: 1}), b.In(tx).Put("k", record{N: 2})); err != nil {
				return err
			}
			if len(all(t, db, "b")) != 0 {
				t.Error("it took effect before its end")
			}
			return want
		})
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if _, old := all(t, db, "a")["old"]; old != (want != nil) || len(all(t, db, "b")) == 1 != (want == nil) {
			t.Errorf("%v: a %v, b %v", want, all(t, db, "a"), all(t, db, "b"))
		}
	}
	for _, key := range []string{"", strings.Repeat("k", 1<<16)} {
		if err := a.Put(key, record{}); err == nil {
			t.Errorf("a key of %d bytes passed", len(key))
		}
	}
	if err := state.TableOf[func()](db, "a").Put("f", func() {}); err == nil {
		t.Error("a func passed as a record")
	}
}

func TestWritersTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	table := state.TableOf[record](db, "t")
	var writers sync.WaitGroup
	for w := range 16 {
		writers.Go(func() {
			for i := range 30 {
				if err := table.Put(fmt.Sprintf("%d", w), record{N: i}); err != nil {
					t.Error(err)
				}
				if got, err := table.All(); err != nil || got[strconv.Itoa(w)].N != i {
					t.Errorf("read %v, %v after %d was put", got[strconv.Itoa(w)], err, i)
				}
			}
		})
	}
	writers.Wait()
	db.Close()
	if got := all(t, open(t, path), "t"); len(got) != 16 {
		t.Errorf("%v", got)
	}
}

func TestNilKeepsNothing(t *testing.T) {
	var db *state.DB
	for _, table := range []*state.Table[record]{state.TableOf[record](db, "t"), new(state.Table[record])} {
		err := db.Update(func(tx *state.Tx) error { return table.In(tx).Put("k", record{}) })
		if err := errors.Join(err, table.Put("k", record{}), table.Delete("k"), db.Set("n", "v"), db.Close()); err != nil {
			t.Error(err)
		}
		if got, err := table.All(); err != nil || got == nil || len(got) != 0 {
			t.Errorf("%v, %v", got, err)
		}
	}
	if v, err := db.Get("n"); v != "" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
}

func TestInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	if _, err := state.Open(path); !errors.Is(err, state.ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second one got %v", err)
	}
	db.Close()
	open(t, path)
}

// write puts records from several goroutines and says so on stdout after each has returned.
func write(path string) error {
	db, err := state.Open(path)
	if err != nil {
		return err
	}
	table := state.TableOf[record](db, "t")
	var out sync.Mutex
	failed := make(chan error)
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				if err := table.Put(fmt.Sprintf("%d-%d", w, i%50), record{strings.Repeat("x", i%700), i}); err != nil {
					failed <- err
				}
				out.Lock()
				fmt.Println(w, i)
				out.Unlock()
			}
		}()
	}
	return <-failed
}

func TestKilledWriterLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	for kill := range 12 {
		cmd := exec.Command("/proc/self/exe", writeArg, path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said := map[int]int{}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			var w, i int
			if _, err := fmt.Sscan(lines.Text(), &w, &i); err != nil {
				break // cut off
			}
			said[w] = i
			if n == 37*(kill+1) {
				cmd.Process.Kill() // what it said until then is read on
			}
		}
		cmd.Wait()
		db := open(t, path)
		got := all(t, db, "t")
		for w, i := range said {
			key := fmt.Sprintf("%d-%d", w, i%50)
			if r := got[key]; r.N < i || r.Name != strings.Repeat("x", r.N%700) {
				t.Errorf("kill %d: %s is of %d; %d was put", kill, key, r.N, i)
			}
		}
		db.Close()
		if len(said) == 0 {
			t.Fatal("it wrote nothing")
		}
	}
}
