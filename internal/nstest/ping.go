package nstest

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"
)

// Ping sends one ICMP echo request, from the namespace of the calling thread, and waits for its reply.
func Ping(to netip.Addr, within time.Duration) error {
	c, err := net.DialIP("ip4:icmp", nil, &net.IPAddr{IP: to.AsSlice()})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	request := []byte{8, 0, 0, 0, 0x0e, 0x01, 0, 1}
	binary.BigEndian.PutUint16(request[2:], ^uint16(0x0800+0x0e01+1))
	if _, err := c.Write(request); err != nil {
		return err
	}
	for b := make([]byte, 100); ; {
		n, from, err := c.ReadFromIP(b) // unlike Read it leaves out the IP header
		if err != nil {
			return err
		}
		// A reply to somebody else can be here from before the socket was connected.
		if n >= 8 && b[0] == 0 && b[4] == 0x0e && from.IP.Equal(to.AsSlice()) {
			return nil
		}
	}
}
