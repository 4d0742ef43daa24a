// Package wire speaks the protocols of AWS as a server: rest-json (Lambda), query (IAM, STS) and EC2's variant of it. It
// knows nothing of what the operations do.
//
// The packages below it hold the requests and answers of one service each, generated from the models that AWS publishes,
// and one [Operation] for each call. [Handle] gives an operation its handler.
//
// In a request an absent value is nil, or the zero time; what the model requires is there. In an answer nil is left out
// and an empty slice is written as an empty list; an answer to List… or Describe… has its list in any case.
package wire

//go:generate go run ./gen
