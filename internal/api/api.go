// Package api maps the operations of the AWS wire to the lab's control planes.
package api

import (
	"log/slog"

	"enilab/internal/ec2"
	"enilab/internal/iam"
	"enilab/internal/lambda"
	"enilab/internal/wire"
)

// Config is who answers.
type Config struct {
	Lambda  *lambda.Service
	EC2     *ec2.Service
	IAM     *iam.Service
	Account string
	Region  string
	Log     *slog.Logger
	Hosts   []string // names by which clients may call it, besides localhost and addresses

	DownloadKey []byte // signs the URLs of code; empty: each server has its own, and its URLs end with it

	Memory func() int64 // bytes that requests may take at the moment; nil means what wire.Config says
}

// New makes a server that knows all operations of the lab.
func New(c Config) *wire.Server {
	s := wire.New(wire.Config{Region: c.Region, Account: c.Account, Hosts: c.Hosts, Log: c.Log, Memory: c.Memory, Authorize: c.authorize})
	register(s, c)
	return s
}

func register(s *wire.Server, c Config) {
	registerLambda(s, c)
	registerEC2(s, c)
	registerIAM(s, c)
	registerSTS(s, c)
}
