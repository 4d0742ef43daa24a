package scripts_test

import (
	"os"
	"path/filepath"
	"testing"
)

// Vagrant provisions as root. Go and what it fetches are the user's, who will look for them in their home, and are fetched once.
func TestVagrantProvision(t *testing.T) {
	m := newMachine(t)
	m.user = "root"
	m.remove("go", "redis-server")
	m.shelve("golang-go", "go", goThatHas("go1.23.4")+`
if [ "$1" = version ]; then note "home $HOME"; fi`)
	m.fake("getent", `note "getent $*"; echo vagrant:x:1000:1000::/home/vagrant:/bin/bash`)
	m.fake("runuser", `note "runuser $*"; shift 3; WHO=user exec "$@"`) // -u vagrant --
	m.fake("make", `note "make $*"`)
	checkout := m.path("checkout")
	for to, from := range map[string]string{"scripts/deps.sh": "deps.sh", "go.mod": "../go.mod"} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		to = filepath.Join(checkout, to)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.write(filepath.Join(checkout, "bin/enilab"), `note "enilab $*"`)
	if _, err := os.Stat(certificates); err != nil {
		t.Skip(err)
	}
	o := m.run("vagrant-provision.sh", checkout, "vagrant")
	o.want(t, 0, "deps: needs Debian packages: ", notStarted, "go: downloading")
	o.did(t, "root: apt-get install", "root: runuser -u vagrant -- ", "user: sudo ", "root: apt-get install",
		"user: go version in "+checkout,
		"user: home /home/vagrant", "user: make build", "root: enilab doctor")
	if o.count("root: go ") > 0 || o.count("user: go version") != 1 {
		t.Errorf("Go was not fetched once, by the user:\n%s", o.log)
	}
}
