package state

import (
	"encoding/json"
	"fmt"
)

// Table is the records of one kind, each under a key. The zero Table, and that of a nil DB, keeps nothing.
type Table[T any] struct {
	db   *DB
	name string
}

// TableOf names the records of one kind. A nil db gives a Table that keeps nothing.
func TableOf[T any](db *DB, name string) *Table[T] { return &Table[T]{db, name} }

// Put writes a record. When it returns, the record is on disk.
func (t *Table[T]) Put(key string, v T) error {
	return t.db.Update(func(tx *Tx) error { return t.In(tx).Put(key, v) })
}

// Delete removes a record; one that is not there is no error.
func (t *Table[T]) Delete(key string) error {
	return t.db.Update(func(tx *Tx) error { return t.In(tx).Delete(key) })
}

// All reads every record.
func (t *Table[T]) All() (map[string]T, error) {
	all := map[string]T{}
	err := t.db.each(t.name, func(k, b []byte) error {
		var v T
		if err := json.Unmarshal(b, &v); err != nil {
			return fmt.Errorf("state: %s %s: %w", t.name, k, err)
		}
		all[string(k)] = v
		return nil
	})
	return all, err
}

// In is the table within a transaction: what is put there is written when that ends.
func (t *Table[T]) In(tx *Tx) Writer[T] { return Writer[T]{t, tx} }

// Writer writes records of one table within a transaction.
type Writer[T any] struct {
	table *Table[T]
	tx    *Tx
}

// Put writes a record when the transaction ends.
func (w Writer[T]) Put(key string, v T) error {
	if w.table.db == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("state: %s %s: %w", w.table.name, key, err)
	}
	return w.tx.add(op{w.table.name, key, b})
}

// Delete removes a record when the transaction ends.
func (w Writer[T]) Delete(key string) error {
	if w.table.db == nil {
		return nil
	}
	return w.tx.add(op{w.table.name, key, nil})
}
