package sandbox_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"

	"golang.org/x/sys/unix"
)

// changeArg has the test binary, as a function's interpreter, change what it is executed from.
const changeArg = "change-program"

func changeProgram() {
	const self = "/proc/self/exe"
	fmt.Println("mode 0:", os.Chmod(self, 0), "set-user-id:", os.Chmod(self, 0o777|os.ModeSetuid), "times:", os.Chtimes(self, time.Unix(1, 0), time.Unix(1, 0)),
		"attribute:", unix.Setxattr(self, "user.changed", []byte("1"), 0))
	_, err := os.OpenFile(self, os.O_RDWR, 0)
	fmt.Println("write:", err)
}

// TestFunctionCannotChangeTheProgram: a bootstrap whose interpreter is the program that executes it (CVE-2019-5736) gets
// hold of a copy. The lab is one whose program belongs to the function's user, as it does without root.
func TestFunctionCannotChangeTheProgram(t *testing.T) {
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	if os.Getenv("OF_A_COPY") != "" {
		variants(t, func(t *testing.T, with func(setup) setup) {
			c := with(config(t, ""))
			c.Code = code(t, "#!/proc/self/exe "+changeArg+"\n")
			out := newOutput()
			c.Output = out
			p := start(t, c)
			await(t, p)
			fmt.Printf("%s has tried: %s\n", t.Name(), out)
		})
		return
	}
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	before := file(t, path)
	again := exec.CommandContext(t.Context(), path, "-test.v", "-test.run=^"+regexp.QuoteMeta(t.Name())+"$")
	again.Env = append(os.Environ(), "OF_A_COPY=1")
	out, err := again.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), "/userns has tried: mode 0:") {
		t.Errorf("the function has tried nothing: %s", out)
	}
	if after := file(t, path); after != before {
		t.Errorf("before %s\nafter  %s\n%s", before, after, out)
	}
}

// file is what a function must not change of a file.
func file(t *testing.T, path string) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	attributes := make([]byte, 1024)
	n, err := unix.Listxattr(path, attributes)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("mode %o owner %d:%d size %d modified %d attributes %q", st.Mode, st.Uid, st.Gid, st.Size, st.Mtim.Sec, attributes[:n])
}
