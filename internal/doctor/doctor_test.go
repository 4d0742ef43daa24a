package doctor

import (
	"context"
	"errors"
	"testing"
)

func TestCheck(t *testing.T) {
	bad := errors.New("bad")
	for name, test := range map[string]struct {
		err  error
		want Check
	}{
		"ok":            {nil, Check{Name: "thing", Status: OK, Detail: "v1"}},
		"fail":          {bad, Check{Name: "thing", Status: Fail, Detail: "bad", Fix: "mend"}},
		"its own fix":   {finding{error: bad, fix: "other"}, Check{Name: "thing", Status: Fail, Detail: "bad", Fix: "other"}},
		"lesser":        {finding{error: bad, status: Warn}, Check{Name: "thing", Status: Warn, Detail: "bad", Fix: "mend"}},
		"within others": {errors.Join(finding{error: bad, status: Info}), Check{Name: "thing", Status: Info, Detail: "bad", Fix: "mend"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := probe{name: "thing", fix: "mend", try: func(context.Context) (string, error) { return "v1", test.err }}
			if got := p.check(t.Context()); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestRequired(t *testing.T) {
	if err := Required([]Check{{Status: OK}, {Status: Warn}, {Status: Info}}); err != nil {
		t.Errorf("nothing failed, got %v", err)
	}
	err := Required([]Check{
		{Name: "veth", Status: Fail, Detail: "not supported", Fix: "sudo modprobe veth"},
		{Name: "vxlan", Status: OK},
		{Name: "seccomp", Status: Fail, Detail: "not there"},
	})
	const want = "veth: not supported (fix: sudo modprobe veth)\nseccomp: not there"
	var unmet *UnmetError
	if !errors.As(err, &unmet) || len(unmet.Checks) != 2 || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
}
