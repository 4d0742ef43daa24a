package realm_test

import (
	"context"
	"strconv"
	"testing"

	"enilab/internal/nstest"
	"enilab/internal/realm"
)

// endOnWrite ends the inside once it has said something.
type endOnWrite struct {
	got string
	end func()
}

func (e *endOnWrite) Write(b []byte) (int, error) {
	e.got += string(b)
	e.end()
	return len(b), nil
}

func TestRunTellsItsInsideToEnd(t *testing.T) {
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result := &endOnWrite{end: cancel}
	code, err := realm.Run(ctx, realm.Config{Args: []string{runArg}, Result: result})
	pid, pidErr := strconv.Atoi(result.got)
	if code != 5 && err == nil || pidErr != nil || pid < 2 {
		t.Errorf("exit code %d, %v; result %q", code, err, result.got)
	}
}

func TestLabsName(t *testing.T) {
	l, err := realm.ThisLab("demo")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := realm.ParseLab(l.String()); err != nil || got != l || l.Dead() {
		t.Errorf("%v became %v, %v", l, got, err)
	}
	l.Start++
	if !l.Dead() {
		t.Error("another process with its id counts as the owner")
	}
	for _, bad := range []string{"", "demo", "demo-1-2", "-1-2-3", "demo-1-0-3", "demo-1-02-3", "a-b-1-2-3"} {
		if l, err := realm.ParseLab(bad); err == nil {
			t.Errorf("%q passed as %v", bad, l)
		}
	}
}
