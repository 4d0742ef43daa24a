package daemon

import (
	"context"
	"errors"
	"fmt"

	"enilab/netlab"

	"github.com/gomodule/redigo/redis"
)

// entry is a key of a Redis with its value, as DUMP gives it.
type entry struct {
	database, milliseconds int // the time that it has left; zero: for ever
	key                    string
	value                  []byte
}

const (
	redisDatabases = 16       // the lab's servers have as many as Redis has by default
	maxKept        = 64 << 20 // bytes of what a Redis holds that are kept in memory while it is changed
)

// writtenTo is all that a Redis holds, nothing of which changes for the next seconds: it is about to be ended. One that holds
// more than 64 MiB, or that answers nobody, is an error.
func writtenTo(ctx context.Context, r *netlab.Resource) (entries []entry, err error) {
	c, err := dialRedis(ctx, r)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if _, err := c.DoContext(ctx, "CLIENT", "PAUSE", redisWithin.Milliseconds(), "WRITE"); err != nil {
		return nil, err
	}
	size := 0
	for database := range redisDatabases {
		keys, err := keysIn(ctx, c, database)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			value, err := redis.Bytes(c.DoContext(ctx, "DUMP", key))
			if errors.Is(err, redis.ErrNil) { // its time is over
				continue
			}
			if err != nil {
				return nil, err
			}
			left, err := redis.Int(c.DoContext(ctx, "PTTL", key))
			if err != nil {
				return nil, err
			}
			if size += len(key) + len(value); size > maxKept {
				return nil, fmt.Errorf("it holds more than %d MiB", maxKept>>20)
			}
			switch left {
			case -2: // it is over meanwhile
				continue
			case -1: // for ever
				left = 0
			default:
				left = max(left, 1)
			}
			entries = append(entries, entry{database, left, key, value})
		}
	}
	return entries, nil
}

// keysIn selects a database and lists its keys.
func keysIn(ctx context.Context, c redis.ConnWithContext, database int) (keys []string, err error) {
	if _, err := c.DoContext(ctx, "SELECT", database); err != nil {
		return nil, err
	}
	seen := map[string]bool{} // SCAN may name one twice
	for cursor := "0"; ; {
		page, err := redis.Values(c.DoContext(ctx, "SCAN", cursor, "COUNT", 1000))
		if err != nil {
			return nil, err
		}
		var some []string
		if _, err := redis.Scan(page, &cursor, &some); err != nil {
			return nil, err
		}
		for _, key := range some {
			if !seen[key] {
				seen[key] = true
				keys = append(keys, key)
			}
		}
		if cursor == "0" {
			return keys, nil
		}
	}
}

// writeBack has a Redis that has just been seeded hold what another held.
func writeBack(ctx context.Context, r *netlab.Resource, declared map[string]string, entries []entry) error {
	c, err := dialRedis(ctx, r)
	if err != nil {
		return err
	}
	defer c.Close()
	for key := range declared { // one that was deleted stays so
		if _, err := c.DoContext(ctx, "DEL", key); err != nil {
			return err
		}
	}
	selected := 0
	for _, e := range entries {
		if e.database != selected {
			if _, err := c.DoContext(ctx, "SELECT", e.database); err != nil {
				return err
			}
			selected = e.database
		}
		if _, err := c.DoContext(ctx, "RESTORE", e.key, e.milliseconds, e.value, "REPLACE"); err != nil {
			return fmt.Errorf("write %q: %w", e.key, err)
		}
	}
	return nil
}
