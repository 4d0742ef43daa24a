package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.List;
import java.util.Map;

/** As the handlers of AWS's documentation are: a record in, a string out. */
public class Orders implements RequestHandler<Orders.Order, String> {
    public record Order(String orderId, double amount, List<Item> items, Map<String, Integer> counts, boolean paid) {}

    public record Item(String name, Kind kind) {}

    public enum Kind { BOOK, PEN }

    @Override
    public String handleRequest(Order o, Context context) {
        return o.orderId() + " " + o.amount() + " " + o.items() + " " + o.counts() + " " + o.paid();
    }
}
