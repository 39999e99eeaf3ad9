//! Tables whose rows are the variants of an enum: what is said of each stands once, where a variant is added.

/// Makes an enum, and a method `row` that gives each variant its row of the table.
macro_rules! table {
    ($(#[$attribute:meta])* $name:ident: $row:ident { $($value:ident { $($column:ident: $cell:expr),* },)* }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($value,)*
        }

        impl $name {
            /// In the order of the table.
            pub const ALL: &[Self] = &[$(Self::$value,)*];

            pub const fn row(self) -> $row {
                match self {
                    $(Self::$value => $row { $($column: $cell,)* },)*
                }
            }
        }
    };
}

pub(crate) use table;
