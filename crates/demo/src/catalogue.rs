//! The APIs that the toy gateway offers, and who uses them.

/// A service behind the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Orders,
    Payments,
    Inventory,
}

/// A call that the gateway makes to answer one of its own; `{id}` is what the caller's path had there.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) service: Service,
    pub(crate) path: &'static str,
}

/// One operation of an API.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) api: &'static str,
    pub(crate) name: &'static str,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) backends: &'static [Backend],
    /// How often it is called, against the others.
    pub(crate) weight: u64,
}

/// An application that calls APIs.
#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) organisation: &'static str,
    pub(crate) agent: &'static str,
    pub(crate) weight: u64,
}

const fn backend(service: Service, path: &'static str) -> Backend {
    Backend { service, path }
}

pub(crate) const OPERATIONS: [Operation; 10] = [
    Operation {
        api: "Orders",
        name: "listOrders",
        method: "GET",
        path: "/orders/v1",
        backends: &[backend(Service::Orders, "/orders")],
        weight: 18,
    },
    Operation {
        api: "Orders",
        name: "getOrder",
        method: "GET",
        path: "/orders/v1/{id}",
        backends: &[backend(Service::Orders, "/orders/{id}")],
        weight: 26,
    },
    Operation {
        api: "Orders",
        name: "createOrder",
        method: "POST",
        path: "/orders/v1",
        backends: &[backend(Service::Orders, "/orders")],
        weight: 14,
    },
    Operation {
        api: "Orders",
        name: "cancelOrder",
        method: "DELETE",
        path: "/orders/v1/{id}",
        backends: &[backend(Service::Orders, "/orders/{id}")],
        weight: 3,
    },
    Operation {
        api: "Payments",
        name: "getPayment",
        method: "GET",
        path: "/payments/v2/{id}",
        backends: &[backend(Service::Payments, "/payments/{id}")],
        weight: 9,
    },
    Operation {
        api: "Payments",
        name: "refund",
        method: "POST",
        path: "/payments/v2/{id}/refunds",
        backends: &[backend(Service::Payments, "/payments/{id}/refunds")],
        weight: 2,
    },
    Operation {
        api: "Inventory",
        name: "searchItems",
        method: "GET",
        path: "/inventory/v1/items",
        backends: &[backend(Service::Inventory, "/items")],
        weight: 16,
    },
    Operation {
        api: "Inventory",
        name: "getItem",
        method: "GET",
        path: "/inventory/v1/items/{id}",
        backends: &[backend(Service::Inventory, "/items/{id}")],
        weight: 20,
    },
    // The slow one, with two calls behind it.
    Operation {
        api: "Reports",
        name: "monthlySales",
        method: "GET",
        path: "/reports/v1/sales",
        backends: &[backend(Service::Orders, "/sales"), backend(Service::Inventory, "/items")],
        weight: 2,
    },
    Operation {
        api: "Reports",
        name: "stockLevels",
        method: "GET",
        path: "/reports/v1/stock",
        backends: &[backend(Service::Inventory, "/items")],
        weight: 2,
    },
];

pub(crate) const APPLICATIONS: [Application; 6] = [
    application("0d5b9a6e-3f51-4b0e-9a40-6f2c1de40001", "Web Shop", "Retail", "web-shop/4.2", 40),
    application(
        "0d5b9a6e-3f51-4b0e-9a40-6f2c1de40002",
        "Mobile App",
        "Retail",
        "mobile-app/7.0 (Android)",
        30,
    ),
    application("0d5b9a6e-3f51-4b0e-9a40-6f2c1de40003", "Partner Sync", "Partners", "partner-sync/1.9", 12),
    application("0d5b9a6e-3f51-4b0e-9a40-6f2c1de40004", "Price Comparison", "Partners", "price-bot/0.8", 8),
    application("0d5b9a6e-3f51-4b0e-9a40-6f2c1de40005", "Back Office", "Internal", "back-office/2.1", 7),
    application("0d5b9a6e-3f51-4b0e-9a40-6f2c1de40006", "Report Builder", "Internal", "reports/1.0", 3),
];

const fn application(
    id: &'static str,
    name: &'static str,
    organisation: &'static str,
    agent: &'static str,
    weight: u64,
) -> Application {
    Application { id, name, organisation, agent, weight }
}
