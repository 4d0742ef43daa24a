package main

import (
	"net"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/netlab"
)

func TestFirstNext(t *testing.T) {
	for name, request := range map[string]string{
		"next":  "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n",
		"other": "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\n\r\n",
		"none":  "\r\n\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			nstest.NoLeaks(t)
			nstest.NS(t) // skips without rights
			r, err := netlab.NewNode("function")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			next, err := awaitNext(r.NS)
			if err != nil {
				t.Fatal(err)
			}
			defer next.Close()
			var conn net.Conn
			if err := r.NS.Do(func() (err error) { conn, err = net.Dial("tcp", runtimeAPI.String()); return err }); err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			began := time.Now()
			if _, err := conn.Write([]byte(request)); err != nil {
				t.Fatal(err)
			}
			select {
			case at := <-next.came:
				if name != "next" || at.Before(began) {
					t.Errorf("came %v after it was sent", at.Sub(began))
				}
			case err := <-next.failed:
				if name == "next" {
					t.Error(err)
				}
			case <-time.After(2 * time.Minute):
				t.Error("nothing came")
			}
		})
	}
}
