// Package undo holds what was acquired, as the steps that give it back.
package undo

import (
	"errors"
	"slices"
	"sync"
)

// Stack runs its steps once, last in first out. The zero Stack is empty and ready. All methods are safe for
// concurrent use.
type Stack struct {
	mu    sync.Mutex // guards steps
	steps []func() error
}

// Push adds the step that gives back what was just acquired.
func (s *Stack) Push(step func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = append(s.steps, step)
}

// Close runs every step, never stopping at an error, and joins the errors. A second Close finds an empty stack.
func (s *Stack) Close() (err error) {
	s.mu.Lock()
	steps := s.steps
	s.steps = nil
	s.mu.Unlock()
	for _, step := range slices.Backward(steps) {
		err = errors.Join(err, step())
	}
	return err
}

// CloseOn closes the stack if *err is set, and joins what that meets: `defer s.CloseOn(&err)` in a constructor.
func (s *Stack) CloseOn(err *error) {
	if *err != nil {
		*err = errors.Join(*err, s.Close())
	}
}
