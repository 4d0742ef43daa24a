package realm

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"enilab/internal/nstest"
)

// TestSlowIsNotDead: a keeper that closes a connection without an answer, as one does whose client was too slow, is asked again
// as long as it lives.
func TestSlowIsNotDead(t *testing.T) {
	nstest.NoLeaks(t)
	dir := t.TempDir()
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(dir, "keeper.sock"), Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		served <- func() error {
			for range 3 {
				c, err := l.AcceptUnix()
				if err != nil {
					return err
				}
				c.Close()
			}
			c, err := l.AcceptUnix()
			if err != nil {
				return err
			}
			defer c.Close()
			self, err := openProcess(os.Getpid())
			if err != nil {
				return err
			}
			defer self.Close()
			var r request
			if _, err := receive(c, &r); err != nil {
				return err
			}
			return send(c, answer{Lab: "up-1-2-3"}, self)
		}()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, files, err := (&Keeper{dir: dir}).call(ctx, request{Do: doStatus})
	closeAll(files)
	if err != nil || a.Lab != "up-1-2-3" {
		t.Errorf("%+v, %v", a, err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	l.Close()
	if _, _, err := (&Keeper{dir: dir}).call(ctx, request{Do: doStatus}); !errors.Is(err, ErrNoKeeper) {
		t.Errorf("it has ended: %v", err)
	}
}
