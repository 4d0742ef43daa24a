package ec2

import (
	"errors"
	"fmt"

	"enilab/internal/state"
)

// shelf is the records of one kind: in memory, where they are read, and in the state, for the next start. A record does
// not change; another takes its place.
type shelf[T any] struct {
	table *state.Table[T]
	all   map[string]T
}

func newShelf[T any](db *state.DB, name string) *shelf[T] {
	return &shelf[T]{state.TableOf[T](db, name), map[string]T{}}
}

// edit is one change of a shelf.
type edit struct {
	write  func(*state.Tx) error
	revert func(*state.Tx) error
	show   func()
}

func put[T any](sh *shelf[T], id string, v T) edit {
	return edit{
		write:  func(tx *state.Tx) error { return sh.table.In(tx).Put(id, v) },
		revert: func(tx *state.Tx) error { return sh.writeBack(tx, id) },
		show:   func() { sh.all[id] = v },
	}
}

func drop[T any](sh *shelf[T], id string) edit {
	return edit{
		write:  func(tx *state.Tx) error { return sh.table.In(tx).Delete(id) },
		revert: func(tx *state.Tx) error { return sh.writeBack(tx, id) },
		show:   func() { delete(sh.all, id) },
	}
}

// writeBack makes the state what memory is.
func (sh *shelf[T]) writeBack(tx *state.Tx, id string) error {
	if old, ok := sh.all[id]; ok {
		return sh.table.In(tx).Put(id, old)
	}
	return sh.table.In(tx).Delete(id)
}

// make carries out what brings something into being: in the state, then in the kernel, then for all to see. Killed in
// between, the next start finishes it. The caller holds change.
func (s *Service) make(edits []edit, kernel func() error) error {
	if err := s.keep(edits); err != nil {
		return err
	}
	if err := kernel(); err != nil {
		return errors.Join(err, s.State.Update(func(tx *state.Tx) (err error) {
			for _, e := range edits {
				err = errors.Join(err, e.revert(tx))
			}
			return err
		}))
	}
	s.show(edits)
	return nil
}

// remove carries out what ends something: in the kernel, which may refuse, then for all to see, then in the state. Killed
// in between, the next start brings it back: nobody has been told that it is gone. The caller holds change.
func (s *Service) remove(edits []edit, kernel func() error) error {
	if err := kernel(); err != nil {
		return err
	}
	s.show(edits)
	return s.keep(edits)
}

// record changes what the kernel has no part in. The caller holds change.
func (s *Service) record(what string, edits ...edit) error {
	if err := s.keep(edits); err != nil {
		return failed(what, err)
	}
	s.show(edits)
	return nil
}

func (s *Service) keep(edits []edit) error {
	err := s.State.Update(func(tx *state.Tx) error {
		for _, e := range edits {
			if err := e.write(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep the change: %w", err)
	}
	return nil
}

func (s *Service) show(edits []edit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range edits {
		e.show()
	}
}
