package com.amazonaws.services.lambda.runtime;

/** A function from one type to another; the runtime reads and writes the JSON. */
public interface RequestHandler<I, O> {
    O handleRequest(I input, Context context);
}
