package lambda

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(5, 3)
		takes := func(want int) {
			t.Helper()
			got := 0
			for b.take() {
				got++
			}
			if got != want {
				t.Errorf("%d calls at once, want %d", got, want)
			}
		}
		takes(3)
		time.Sleep(200 * time.Millisecond)
		takes(1)
		time.Sleep(time.Hour)
		takes(3)
		if unlimited := newBucket(0, 0); !unlimited.take() {
			t.Error("without a limit a call was refused")
		}
	})
}

func TestQuotasInNumbers(t *testing.T) {
	for _, c := range []struct {
		quotas Quotas
		model  Model
		rate   float64
		burst  int
	}{
		{Quotas{}, Model{}, 0, 50},
		{Quotas{}, Model{AWS: true}, 5, 50},
		{Quotas{}, Model{AWS: true, Scale: 100}, 500, 50},
		{Quotas{EC2CallsPerSecond: 2, EC2Burst: 1}, Model{AWS: true, Scale: 100}, 2, 1},
		{Quotas{EC2CallsPerSecond: -1}, Model{AWS: true}, 0, 50},
	} {
		if rate, burst := c.quotas.ec2Calls(c.model); rate != c.rate || burst != c.burst {
			t.Errorf("%+v %+v: %v a second, %d at once", c.quotas, c.model, rate, burst)
		}
	}
	for _, c := range []struct{ perInterface, memory, want int }{{0, 128, 1}, {3072, 128, 24}, {3072, 1024, 3}, {3072, 2048, 1}, {3072, 10_240, 1}, {1 << 20, 128, 254}} {
		if got := (Quotas{MemoryPerInterface: c.perInterface}).environmentsPerInterface(c.memory); got != c.want {
			t.Errorf("%d MB in %d: %d environments, want %d", c.memory, c.perInterface, got, c.want)
		}
	}
}
