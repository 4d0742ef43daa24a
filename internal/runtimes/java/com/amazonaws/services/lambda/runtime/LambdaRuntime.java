package com.amazonaws.services.lambda.runtime;

import java.nio.charset.StandardCharsets;

/** Where libraries for logging find the function's logger. */
public final class LambdaRuntime {
    private static volatile LambdaLogger logger = new LambdaLogger() { // until the runtime sets its own, by reflection
        @Override
        public void log(String message) {
            System.out.print(message);
        }

        @Override
        public void log(byte[] message) {
            log(new String(message, StandardCharsets.UTF_8));
        }
    };

    private LambdaRuntime() {}

    public static LambdaLogger getLogger() {
        return logger;
    }
}
