package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// open opens the AWS API's socket in the host's network namespace, where its clients are.
func (s *starter) open() (*net.TCPListener, error) {
	network := "tcp4" // "tcp" would take 0.0.0.0 for every IPv6 address as well
	if s.address.Addr().Is6() {
		network = "tcp6"
	}
	l, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(s.address))
	var number syscall.Errno
	if !errors.As(err, &number) {
		return l, err
	}
	way := "give another with --listen"
	switch number {
	case syscall.EADDRINUSE:
		way = "another lab may have it ('enilab list'); give another port with --listen, or 0 for any"
	case syscall.EACCES:
		way = "ports below 1024 need root; give another with --listen, or 0 for any"
	case syscall.EADDRNOTAVAIL:
		way = "give --listen an address of this machine"
	}
	return nil, fmt.Errorf("listen on %s: %w; %s", s.address, number, way)
}

// tryAddress tells what is wrong with the address, for who does not listen there now. One that is taken just afterwards it cannot know.
func (s *starter) tryAddress() error {
	l, err := s.open()
	if err != nil {
		return err
	}
	return l.Close()
}

// listen opens it for the daemon, and tells which address that is.
func (s *starter) listen() (file *os.File, address string, err error) {
	l, err := s.open()
	if err != nil {
		return nil, "", err
	}
	defer l.Close()
	file, err = l.File()
	return file, l.Addr().String(), err
}

func listenUnix(path string) (*os.File, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // a dead daemon's
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("lab's socket: %w; ENILAB_HOME names a directory with a shorter path", err)
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	if err := os.Chmod(path, 0o600); err != nil { // who may speak to the daemon may do all that it may
		return nil, err
	}
	return l.File()
}
