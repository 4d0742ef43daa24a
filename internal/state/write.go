package state

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Tx gathers writes that take effect together or not at all.
type Tx struct{ ops []op }

// op is one write; a nil value deletes.
type op struct {
	bucket, key string
	value       []byte
}

// Update calls fn once and then writes what it put into tx, all or none. If fn fails, nothing is written.
func (db *DB) Update(fn func(tx *Tx) error) error {
	tx := new(Tx)
	if err := fn(tx); err != nil || db == nil || len(tx.ops) == 0 {
		return err
	}
	return db.commit(tx.ops)
}

// add refuses what would spoil the writes of others in the same group.
func (tx *Tx) add(o op) error {
	switch {
	case o.key == "":
		return errors.New("state: a record needs a key")
	case len(o.key) > bbolt.MaxKeySize:
		return fmt.Errorf("state: a key of %d bytes; at most %d", len(o.key), bbolt.MaxKeySize)
	case len(o.value) > maxValue:
		return fmt.Errorf("state: %s: a record of %d bytes; at most %d", o.key, len(o.value), maxValue)
	}
	tx.ops = append(tx.ops, o)
	return nil
}

// maxValue is far above what any record needs; code archives are files.
const maxValue = 16 << 20

// group is the writes of callers that share a transaction.
type group struct {
	ops  []op
	done chan struct{}
	err  error // to be read when done
}

// commit makes ops durable. A writer alone writes at once; those that come while another writes go together with its
// end, one fsync for all of them.
func (db *DB) commit(ops []op) error {
	db.mu.Lock()
	g := db.gathering
	first := g == nil
	if first {
		g = &group{done: make(chan struct{}), err: errors.New("state: write: it panicked")}
		db.gathering = g
	}
	g.ops = append(g.ops, ops...)
	db.mu.Unlock()
	if first {
		db.lead(g)
	}
	<-g.done
	return g.err
}

// lead writes a group once it is its turn; until then it grows.
func (db *DB) lead(g *group) {
	defer close(g.done)
	db.writing.Lock()
	defer db.writing.Unlock()
	db.mu.Lock()
	db.gathering = nil
	db.mu.Unlock()
	g.err = db.writeLocked(g.ops)
}

// writeLocked makes ops durable, all or none.
func (db *DB) writeLocked(ops []op) error {
	var sum uint64
	err := db.bolt.Update(func(tx *bbolt.Tx) (err error) {
		sum, err = apply(tx, ops, db.sum)
		return err
	})
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return errors.New("state: write: it is closed")
	}
	if err != nil {
		return fmt.Errorf("state %s: write: %w", db.bolt.Path(), err)
	}
	db.sum = sum
	return nil
}

// apply carries out ops inside a bbolt transaction and returns what the records then add up to.
func apply(tx *bbolt.Tx, ops []op, sum uint64) (uint64, error) {
	for _, o := range ops {
		b, err := tx.CreateBucketIfNotExists([]byte(o.bucket))
		if err != nil {
			return 0, err
		}
		key := []byte(o.key)
		if old := b.Get(key); old != nil {
			sum -= sumOf([]byte(o.bucket), key, old)
		}
		if o.value == nil {
			err = b.Delete(key)
		} else {
			sum += sumOf([]byte(o.bucket), key, o.value)
			err = b.Put(key, o.value)
		}
		if err != nil {
			return 0, err
		}
	}
	b, err := tx.CreateBucketIfNotExists([]byte(metaBucket))
	if err != nil {
		return 0, err
	}
	return sum, b.Put([]byte(sumKey), binary.BigEndian.AppendUint64(nil, sum))
}
