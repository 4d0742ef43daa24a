package netns_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"enilab/internal/netns"
	"enilab/internal/nstest"
)

// TestSettingsAreEachNamespacesOwn: through more than one mount, and however many namespaces a mount has served.
func TestSettingsAreEachNamespacesOwn(t *testing.T) {
	nstest.NoLeaks(t)
	var settings netns.Settings
	spaces := make([]*netns.NS, 40)
	for i := range spaces {
		spaces[i] = nstest.NS(t)
		err := spaces[i].Do(func() error {
			return settings.SetHere(netns.Sysctl{Key: "net/ipv4/tcp_rmem", Value: fmt.Sprintf("4096 4096 %d", 8192+i)})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, ns := range spaces {
		err := ns.Do(func() error {
			b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_rmem")
			if got, want := strings.Join(strings.Fields(string(b)), " "), fmt.Sprintf("4096 4096 %d", 8192+i); got != want {
				t.Errorf("namespace %d has %s, want %s", i, got, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := settings.Close(); err != nil {
		t.Error(err)
	}
}

func TestSettingsSayWhichFailed(t *testing.T) {
	nstest.NoLeaks(t)
	var settings netns.Settings
	err := nstest.NS(t).Do(func() error { return settings.SetHere(netns.Sysctl{Key: "net/ipv4/no_such", Value: "1"}) })
	if err == nil || !strings.Contains(err.Error(), "net/ipv4/no_such") {
		t.Errorf("error %v", err)
	}
	if err := settings.Close(); err != nil {
		t.Error(err)
	}
}
