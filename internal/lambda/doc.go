// Package lambda is the control plane: functions, the network interfaces that they need, their execution environments
// and invocations. Operations, states and error codes are those of the Lambda API.
//
// The two ways to connect an environment to a customer's VPC stand side by side in attach_legacy.go and
// attach_shared.go. All else is the same for both.
package lambda
