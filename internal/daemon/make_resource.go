package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"enilab/internal/topology"
	"enilab/netlab"

	"github.com/gomodule/redigo/redis"
)

// servers lists those that are there. One that has a record and is not there yet is to be made.
func (d *Daemon) servers() (list []object, err error) {
	records, err := d.resources.records.All()
	for _, key := range names(records) {
		r := records[key]
		if d.recalled != nil || d.lab.Network.Resource(r.VPC, r.Spec.Name) != nil {
			list = append(list, object{"resource", key, declareResource(r.VPC, r.Spec, r.Data)})
		}
	}
	return list, err
}

func (d *Daemon) createResource(ctx context.Context, o object) error {
	return d.resources.add(ctx, recordOf(o))
}

// freeAddresses ends the servers that are to have another address, so that each finds its own free. Whatever happens then, they
// come up again as they are to be, or as they were.
func (d *Daemon) freeAddresses(ctx context.Context, steps []step) map[string]error {
	failed := map[string]error{}
	for _, s := range steps {
		if s.Action != Update {
			continue
		}
		old, now := s.from.Spec.(resourceSpec), s.to.Spec.(resourceSpec)
		if old.Subnet != now.Subnet || old.Address != now.Address {
			if _, err := d.resources.stop(ctx, recordOf(*s.to)); err != nil {
				failed[s.Name] = err
			}
		}
	}
	return failed
}

func (d *Daemon) changeResource(ctx context.Context, _, to object) error {
	return d.resources.change(ctx, recordOf(to))
}

func (d *Daemon) deleteResource(_ context.Context, o object) error {
	vpc, name, _ := strings.Cut(o.Name, "/")
	return d.resources.remove(vpc, name)
}

func recordOf(o object) resourceRecord {
	s := o.Spec.(resourceSpec)
	return resourceRecord{VPC: s.VPC, Spec: s.spec, Data: s.Data}
}

// redisWithin bounds the way to a Redis, and each exchange with it: its answers take microseconds.
const redisWithin = 10 * time.Second

// dialRedis connects to a server in its own network.
func dialRedis(ctx context.Context, r *netlab.Resource) (redis.ConnWithContext, error) {
	dial := redis.DialContextFunc(func(ctx context.Context, network, address string) (c net.Conn, err error) {
		err = r.Node.NS.Do(func() (err error) {
			c, err = new(net.Dialer).DialContext(ctx, network, address)
			return err
		})
		return c, err
	})
	ctx, cancel := context.WithTimeout(ctx, redisWithin) // DialConnectTimeout is not for a dialer of our own
	defer cancel()
	c, err := redis.DialContext(ctx, "tcp4", netip.AddrPortFrom(r.Interface.Address, r.Spec.Port).String(), dial,
		redis.DialReadTimeout(redisWithin), redis.DialWriteTimeout(redisWithin))
	if err != nil {
		return nil, err
	}
	return c.(redis.ConnWithContext), nil
}

// seed puts what a topology declares into a Redis.
func seed(ctx context.Context, r *netlab.Resource, data map[string]string) error {
	if len(data) == 0 {
		return nil
	}
	c, err := dialRedis(ctx, r)
	if err != nil {
		return fmt.Errorf("write data: %w", err)
	}
	defer c.Close()
	for _, key := range names(data) {
		if _, err := c.DoContext(ctx, "SET", key, data[key]); err != nil {
			return fmt.Errorf("write %q: %w", key, err)
		}
	}
	return nil
}

// healthy looks at a server, and whether a Redis of the lab's own serves everybody: a function that reaches it can lock it, or have it
// take no more connections, and its port is open all the same.
func healthy(ctx context.Context, r *netlab.Resource) error {
	if err := r.Healthy(ctx); err != nil || !topology.ServesRedis(r.Spec) {
		return err
	}
	c, err := dialRedis(ctx, r)
	if err == nil {
		defer c.Close()
		_, err = c.DoContext(ctx, "PING")
	}
	if isIll(err) {
		return fmt.Errorf("resource %s: it does not serve: PING: %w", r.Name, err)
	}
	return nil
}

// isIll tells what a Redis says that serves nobody from what one says that is busy, and nothing.
func isIll(err error) bool {
	if refused := redis.Error(""); errors.As(err, &refused) {
		return !strings.HasPrefix(string(refused), "BUSY ") && !strings.HasPrefix(string(refused), "LOADING ")
	}
	return err != nil
}
