#!/usr/bin/env bash
# From an empty lab to a function in a VPC, with the unmodified AWS CLI (version 2; Debian's package awscli).
#
#   sudo bin/enilab up --name demo
#   AWS_ENDPOINT_URL=http://127.0.0.1:4566 examples/aws-cli/walkthrough.sh bin/functions/go.zip
#
# It says each command before it runs it, and ends at the first that does not do what it should.
set -euo pipefail

zip=${1:?"give the function's code, such as bin/functions/go.zip"}
endpoint=${AWS_ENDPOINT_URL:-http://127.0.0.1:4566}
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 AWS_PAGER='' AWS_EC2_METADATA_DISABLED=true
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# lab runs the CLI against the lab. The Debian 12 package is older than the variable AWS_ENDPOINT_URL.
lab() { "${AWS_CLI:-/usr/bin/aws}" --endpoint-url "$endpoint" "$@"; }

# show says a command, then runs it.
show() {
  printf '$ aws %s\n' "$*" >&2
  lab "$@"
}

# expect wants a command to fail with a certain error.
expect() {
  local error=$1
  shift
  printf '$ aws %s\n' "$*" >&2
  if lab "$@" >"$work/out" 2>&1; then
    echo "it should have been refused with $error" >&2
    exit 1
  fi
  grep -F "($error)" "$work/out" >&2 || { cat "$work/out" >&2; exit 1; }
}

# One VPC with two subnets and a security group; a second VPC of the same CIDR, because here it may be.
blue=$(show ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
a=$(show ec2 create-subnet --vpc-id "$blue" --cidr-block 10.0.1.0/24 --query Subnet.SubnetId --output text)
b=$(show ec2 create-subnet --vpc-id "$blue" --cidr-block 10.0.2.0/24 --query Subnet.SubnetId --output text)
sg=$(show ec2 create-security-group --vpc-id "$blue" --group-name app --description 'functions' --query GroupId --output text)
show ec2 authorize-security-group-ingress --group-id "$sg" --protocol tcp --port 6379 --cidr 10.0.0.0/16 >"$work/rule"
green=$(show ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
c=$(show ec2 create-subnet --vpc-id "$green" --cidr-block 10.0.1.0/24 --query Subnet.SubnetId --output text)
greensg=$(show ec2 create-security-group --vpc-id "$green" --group-name app --description 'functions' --query GroupId --output text)

# A role without the right to make interfaces is refused, as on AWS; with the managed policy it is not.
cat >"$work/trust.json" <<'JSON'
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
JSON
role=$(show iam create-role --role-name lambda-vpc --assume-role-policy-document "file://$work/trust.json" --query Role.Arn --output text)
create=(lambda create-function --function-name hello --runtime provided.al2023 --handler bootstrap --role "$role"
  --zip-file "fileb://$zip" --timeout 10 --memory-size 256 --vpc-config "SubnetIds=$a,$b,SecurityGroupIds=$sg")
expect InvalidParameterValueException "${create[@]}"
show iam attach-role-policy --role-name lambda-vpc --policy-arn arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole
show "${create[@]}" --query '[FunctionName,State,StateReasonCode]' --output text
show lambda wait function-active-v2 --function-name hello
show lambda invoke --function-name hello --payload '{}' --cli-binary-format raw-in-base64-out --log-type Tail --query LogResult --output text "$work/answer" | base64 -d
cat "$work/answer" && echo
show ec2 describe-network-interfaces --filters 'Name=description,Values=AWS Lambda VPC ENI*' \
  --query 'NetworkInterfaces[].[NetworkInterfaceId,SubnetId,PrivateIpAddress,InterfaceType,Status]' --output text

# Move the function to the other VPC while it is invoked; no invocation may fail.
for worker in 1 2 3; do
  (
    for _ in {1..5}; do
      lab lambda invoke --function-name hello --payload '{}' --cli-binary-format raw-in-base64-out --query '[StatusCode,FunctionError]' --output text "$work/answer$worker"
    done
  ) >"$work/runs$worker" 2>&1 &
done
show lambda update-function-configuration --function-name hello --vpc-config "SubnetIds=$c,SecurityGroupIds=$greensg" \
  --query '[LastUpdateStatus,VpcConfig.VpcId]' --output text
show lambda wait function-updated-v2 --function-name hello
wait
if grep -hv $'^200\tNone$' "$work"/runs*; then
  echo 'an invocation failed while the function moved' >&2
  exit 1
fi
echo "15 invocations under way while it moved, none failed"

# While the function's interface is there, its network stays.
expect DependencyViolation ec2 delete-subnet --subnet-id "$c"
expect DependencyViolation ec2 delete-vpc --vpc-id "$green"
show lambda delete-function --function-name hello
until show ec2 delete-subnet --subnet-id "$c" 2>/dev/null; do sleep 0.2; done # the interface goes behind the answer
show ec2 delete-security-group --group-id "$greensg" >"$work/gone"
show ec2 delete-vpc --vpc-id "$green"
for subnet in "$a" "$b"; do show ec2 delete-subnet --subnet-id "$subnet"; done
show ec2 delete-security-group --group-id "$sg" >"$work/gone"
show ec2 delete-vpc --vpc-id "$blue"
show iam detach-role-policy --role-name lambda-vpc --policy-arn arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole
show iam delete-role --role-name lambda-vpc
echo 'done'
