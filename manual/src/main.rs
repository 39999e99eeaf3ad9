//! `uproar-manual`: writes the manual pages and the completions into the repository, and says which of them are new or have
//! changed.

use std::{error, fs};

fn main() -> Result<(), Box<dyn error::Error>> {
    for file in uproar_manual::files() {
        let path = uproar_manual::root().join(&file.path);
        if fs::read_to_string(&path).is_ok_and(|text| text == file.text) {
            continue;
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, &file.text)?;
        println!("{}", file.path.display());
    }
    Ok(())
}
