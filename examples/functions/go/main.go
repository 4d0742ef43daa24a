// Command go is the example function in Go. Its bootstrap is this binary: aws-lambda-go speaks the Runtime API.
//
//	CGO_ENABLED=0 go build -trimpath -tags lambda.norpc -ldflags '-s -w' -o bootstrap ./examples/functions/go
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/gomodule/redigo/redis"
)

const patience = 2 * time.Second // for each server

type event struct {
	Redis  string `json:"redis"`  // host:port; empty means $REDIS_ADDR; skipped if that is empty too
	Whoami string `json:"whoami"` // URL; empty means $WHOAMI_URL; skipped likewise
	Key    string `json:"key"`    // empty means "tenant"
	trouble
}

type answer struct {
	Tenant     string `json:"tenant,omitempty"` // what the Redis of this VPC says
	Whoami     string `json:"whoami,omitempty"` // the address that the server of this VPC sees
	Runtime    string `json:"runtime"`
	Instance   string `json:"instance"`   // one execution environment
	Invocation int    `json:"invocation"` // of this environment: 1 is its cold start
	Outcome    any    `json:"outcome,omitempty"`
}

// What is made here, outside the handler, is made once per environment.
var (
	instance   = rand.Text()[:8]
	invocation int
)

func main() { lambda.Start(handle) }

func handle(ctx context.Context, e event) (a answer, err error) {
	invocation++
	a = answer{Runtime: "go", Instance: instance, Invocation: invocation}
	if addr := cmp.Or(e.Redis, os.Getenv("REDIS_ADDR")); addr != "" {
		if a.Tenant, err = get(addr, cmp.Or(e.Key, "tenant")); err != nil {
			return a, RedisError{fmt.Errorf("redis %s: %w", addr, err)}
		}
	}
	if url := cmp.Or(e.Whoami, os.Getenv("WHOAMI_URL")); url != "" {
		if a.Whoami, err = whoami(ctx, url); err != nil {
			return a, WhoamiError{fmt.Errorf("whoami %s: %w", url, err)}
		}
	}
	a.Outcome, err = e.make()
	return a, err
}

// The names of these types are the errorType that Lambda reports.
type (
	RedisError  struct{ error }
	WhoamiError struct{ error }
)

func get(addr, key string) (string, error) {
	c, err := redis.Dial("tcp", addr, redis.DialConnectTimeout(patience),
		redis.DialReadTimeout(patience), redis.DialWriteTimeout(patience))
	if err != nil {
		return "", err
	}
	defer c.Close()
	value, err := redis.String(c.Do("GET", key))
	if errors.Is(err, redis.ErrNil) {
		err = errors.New("no such key")
	}
	if err != nil {
		return "", fmt.Errorf("GET %s: %w", key, err)
	}
	return value, nil
}

func whoami(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	once := http.Transport{DisableKeepAlives: true} // a new connection each time, so a new source port
	resp, err := once.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var seen struct{ Client string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&seen); err != nil {
		return "", fmt.Errorf("%s: %w", resp.Status, err)
	}
	return seen.Client, nil
}
