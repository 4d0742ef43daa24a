package undo_test

import (
	"errors"
	"slices"
	"testing"

	"enilab/internal/undo"
)

func TestCloseRunsAllInReverseOnce(t *testing.T) {
	var s undo.Stack
	var ran []int
	for i := range 3 {
		s.Push(func() error { ran = append(ran, i); return errors.New(string(rune('a' + i))) })
	}
	err := s.Close()
	if !slices.Equal(ran, []int{2, 1, 0}) {
		t.Errorf("ran %v, want [2 1 0]", ran)
	}
	if err == nil || err.Error() != "c\nb\na" {
		t.Errorf("err = %q, want all three", err)
	}
	if err := s.Close(); err != nil || len(ran) != 3 {
		t.Errorf("second Close: err %v, ran %v", err, ran)
	}
}

func TestCloseOn(t *testing.T) {
	var s undo.Stack
	ran := false
	s.Push(func() error { ran = true; return nil })
	var err error
	s.CloseOn(&err)
	if ran {
		t.Fatal("closed without an error")
	}
	err = errors.New("boom")
	s.CloseOn(&err)
	if !ran || err.Error() != "boom" {
		t.Fatalf("ran %v, err %v", ran, err)
	}
}
